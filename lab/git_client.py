"""Git as a command, with its credentials where no other user and no log can see them."""

import base64
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path


class GitError(Exception):
    """What git said, with the command; neither ever holds a password."""


@dataclass(frozen=True)
class GitClient:
    """One user of one Git server."""

    username: str
    password: str = field(repr=False)
    ca_file: Path

    def environment(self) -> Mapping[str, str]:
        """Settings in the environment stay out of the command line and of every clone's files."""
        user = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "4",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {user}",
            "GIT_CONFIG_KEY_1": "http.sslCAInfo",
            "GIT_CONFIG_VALUE_1": str(self.ca_file),
            "GIT_CONFIG_KEY_2": "user.name",
            "GIT_CONFIG_VALUE_2": "lab",
            "GIT_CONFIG_KEY_3": "user.email",
            "GIT_CONFIG_VALUE_3": "lab@localhost",
        }

    def run(
        self,
        *arguments: str | Path,
        folder: Path | None = None,
        patience: timedelta = timedelta(seconds=60),
    ) -> str:
        """Its standard output; anything but success is a GitError."""
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=patience.total_seconds(),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise GitError(f"git {arguments[0]}: no end after {patience}") from error
        if done.returncode:
            raise GitError(f"git {arguments[0]}: {done.stderr.strip()[-1000:]}")
        return done.stdout
