"""Run a program of the node: bounded in time and in what it may print."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from transition_agent.errors import AgentError

_MOST_BYTES = 64 * 1024 * 1024
_SHOWN_BYTES = 500


class CommandError(AgentError):
    """The program is not there, did not end in time, or ended badly."""


def run(*arguments: str, stdin: str = "", timeout: timedelta) -> str:
    """What it printed."""
    where = " ".join(arguments[:3])
    with _bounded_file() as printed:
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
        content = _read(printed, where=where)
        if ended.returncode != 0:
            said = ended.stderr[-_SHOWN_BYTES:].decode(errors="replace").strip()
            raise CommandError(
                f"ended with status {ended.returncode}: {said or 'no output'}",
                where=where,
                do="run it by hand on the node",
            )
        return content


@contextmanager
def _bounded_file() -> Iterator[int]:
    """In memory, and never larger: a program that prints for ever is told so by its writes.

    No folder is needed: a container's file system may be read-only as a whole.
    """
    descriptor = os.memfd_create("transition-agent", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, _MOST_BYTES)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int, *, where: str) -> str:
    """Up to where the program has written; it shares the position."""
    size = os.lseek(descriptor, 0, os.SEEK_CUR)
    if size == _MOST_BYTES:
        raise CommandError("prints without end", where=where, do="run it by hand on the node")
    return os.pread(descriptor, size, 0).decode(errors="replace")
