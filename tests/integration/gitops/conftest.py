import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.services.loopback import GitEndpoint

MANIFEST = "packages/video/deployment.yaml"


@dataclass(frozen=True)
class Repository:
    """A repository on a Git server, looked at from the server's own disk."""

    endpoint: GitEndpoint
    url: str

    @property
    def bare(self) -> Path:
        return self.endpoint.server.root / self.url.rsplit("/", 1)[1]

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", self.bare, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def head(self) -> str:
        return self.git("rev-parse", "main")

    def subjects(self) -> list[str]:
        return self.git("log", "--format=%s", "main").splitlines()

    def show(self, path: str = MANIFEST) -> str:
        return self.git("show", f"main:{path}")

    def commit_empty(self, count: int, *, folder: Path) -> None:
        """What others push meanwhile."""
        subprocess.run(["git", "clone", "-q", self.bare, folder], check=True)
        git = ("git", "-C", folder, "-c", "user.name=other", "-c", "user.email=other@localhost")
        for number in range(count):
            message = f"Other {number}"
            subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", message], check=True)
        subprocess.run([*git, "push", "-q", "origin", "main"], check=True)

    def seed(
        self, files: dict[str, str], *, folder: Path, links: dict[str, str] | None = None
    ) -> None:
        """Push a first commit, straight to the server's disk."""
        git = ("git", "-C", str(folder), "-c", "user.name=seed", "-c", "user.email=seed@localhost")
        subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        for name, target in (links or {}).items():
            (folder / name).symlink_to(target)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "seed"], check=True)
        subprocess.run([*git, "push", "-q", self.bare, "main"], check=True)


def connection(
    endpoint: GitEndpoint, url: str, *, password: str | None = None, **extra: str
) -> str:
    return json.dumps(
        {
            "conn_type": "git",
            "host": url,
            "login": endpoint.username,
            "password": password or endpoint.password,
            "extra": {"ca_file": str(endpoint.ca_file), **extra},
        }
    )


Connect = Callable[..., str]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Set the connection `cluster2-aws-git`; gives its id."""

    def set_connection(endpoint: GitEndpoint, url: str, **fields: str) -> str:
        monkeypatch.setenv("AIRFLOW_CONN_CLUSTER2-AWS-GIT", connection(endpoint, url, **fields))
        return "cluster2-aws-git"

    return set_connection


@pytest.fixture
def make_repository(git_server: GitEndpoint, tmp_path: Path) -> Callable[..., Repository]:
    def make(endpoint: GitEndpoint | None = None, **seed: dict[str, str]) -> Repository:
        endpoint = endpoint or git_server
        repository = Repository(endpoint, endpoint.new_repository())
        files = seed.pop("files", {MANIFEST: "image: registry/video:1\n"})
        repository.seed(files, folder=tmp_path / f"seed-{len(os.listdir(tmp_path))}", **seed)  # noqa: PTH208
        return repository

    return make


@pytest.fixture
def repository(make_repository: Callable[..., Repository]) -> Repository:
    return make_repository()
