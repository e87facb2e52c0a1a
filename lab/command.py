"""Calls to the programs that the lab is made of."""

import os
import subprocess
from collections.abc import Mapping

from lab.errors import CommandError

_SHOWN_BYTES = 2_000


def run(
    *arguments: str,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = 120,
) -> str:
    """Run a program to its end and return what it printed; its own words are in the error.

    `env` is added to the environment. Nothing secret belongs in `arguments`: any user of the
    machine can read those.
    """
    try:
        done = subprocess.run(
            arguments,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            env={**os.environ, **env} if env else None,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandError(
            "the program is not installed",
            where=arguments[0],
            do="run lab/up as root: it installs what it needs",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(
            f"no end after {timeout_seconds:g} s",
            where=" ".join(arguments),
            do="look at the machine's load, then run lab/down and lab/up",
        ) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-_SHOWN_BYTES:]
        raise CommandError(
            f"ended with status {done.returncode}",
            where=" ".join(arguments),
            found=said or "no output",
            do="mend what it says, then run lab/down and lab/up",
        )
    return done.stdout
