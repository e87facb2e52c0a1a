"""Run a program of the node: bounded in time and in what it may print."""

import subprocess
import tempfile
from datetime import timedelta

from transition_agent.errors import AgentError

_MOST_BYTES = 64 * 1024 * 1024
_SHOWN_BYTES = 500


class CommandError(AgentError):
    """The program is not there, did not end in time, or ended badly."""


def run(*arguments: str, stdin: str = "", timeout: timedelta) -> str:
    """What it printed. Output goes to a file: a program that prints for ever fills no memory."""
    where = " ".join(arguments[:3])
    with tempfile.TemporaryFile() as printed:
        try:
            ended = subprocess.run(
                arguments,
                input=stdin.encode(),
                stdout=printed,
                stderr=subprocess.PIPE,
                timeout=timeout.total_seconds(),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError(
                f"no end after {timeout.total_seconds():g} s",
                where=where,
                do="see the node's load, and whether the container runtime answers",
            ) from error
        except OSError as error:
            raise CommandError(
                f"cannot be started: {error.strerror}", where=where, do="install it on the node"
            ) from error
        if ended.returncode != 0:
            said = ended.stderr[-_SHOWN_BYTES:].decode(errors="replace").strip()
            raise CommandError(
                f"ended with status {ended.returncode}: {said or 'no output'}",
                where=where,
                do="run it by hand on the node",
            )
        return _read(printed.fileno(), where=where)


def _read(descriptor: int, *, where: str) -> str:
    with open(descriptor, "rb", closefd=False) as printed:
        printed.seek(0)
        content = printed.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise CommandError("prints without end", where=where, do="run it by hand on the node")
    return content.decode(errors="replace")
