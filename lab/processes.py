"""Find and end everything that runs in a lab, whoever started it and whatever was killed before.

A process belongs to the lab when its network or mount namespace does, or when one of its ancestors
does: pid files and logs may be gone, namespaces never lie.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_PROC = Path("/proc")
_KINDS = ("net", "mnt")
_PATIENCE_SECONDS = 20
_PROBE_SECONDS = 0.02


@dataclass(frozen=True)
class Process:
    """One running process, as /proc shows it."""

    pid: int
    parent: int
    namespaces: frozenset[str]
    """Such as `net:[4026532187]` and `mnt:[4026532186]`."""


def running() -> Iterator[Process]:
    """Every process that is not a zombie; those that end meanwhile are left out."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    yield Process(int(entry.name), int(parent), _namespaces(entry))


def _namespaces(entry: Path) -> frozenset[str]:
    try:
        return frozenset((entry / "ns" / kind).readlink().name for kind in _KINDS)
    except PermissionError:  # hidden from root itself, as a machine's init may be: not the lab's
        return frozenset()


def inside(namespaces: Iterable[str]) -> list[Process]:
    """Processes in any of these namespaces, with all their descendants.

    A container has namespaces of its own, but its monitor is in the node's; and whatever lives in a
    pod's network is known by it even when the monitor was killed.
    """
    everything = list(running())
    wanted = set(namespaces) - {_own(kind) for kind in _KINDS}
    chosen = {process.pid for process in everything if process.namespaces & wanted}
    while True:
        more = {
            process.pid
            for process in everything
            if process.parent in chosen and process.pid not in chosen
        }
        if not more:
            break
        chosen |= more
    return [process for process in everything if process.pid in chosen - {os.getpid()}]


def namespace_of(file: Path, *, kind: str) -> str:
    """The name under which /proc shows the namespace that is kept at `file`."""
    return f"{kind}:[{file.stat().st_ino}]"


def end(namespaces: Iterable[str]) -> None:
    """Kill everything in these namespaces and wait until it is gone."""
    wanted = frozenset(namespaces)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while found := inside(wanted):
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
        if time.monotonic() > deadline:
            raise LabError(
                "processes of the lab do not end",
                where="/proc",
                found=", ".join(str(process.pid) for process in found),
                do="see what they wait for (/proc/PID/stack), then run lab/down again",
            )
        time.sleep(_PROBE_SECONDS)


def _own(kind: str) -> str:
    return (_PROC / "self" / "ns" / kind).readlink().name
