"""Processes that the lab's Airflow started, found in /proc by session or environment."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_END_SECONDS = 10


def start_session(
    arguments: list[str], *, env: dict[str, str], log: Path, cwd: Path
) -> "subprocess.Popen[bytes]":
    """Start a program that leads a session of its own; its output is appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            arguments,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=cwd,
        )


def session_members(leader: int) -> list[int]:
    """A component and its children: tasks lead process groups of their own, but stay in it."""
    members = []
    for pid in _all_pids():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) == leader and _runs(pid):
                members.append(pid)
    return members


def processes_with(variable: str, *, value: str) -> list[int]:
    """Processes that have this environment variable; not the caller."""
    wanted = f"{variable}={value}".encode()
    found = []
    for pid in _all_pids():
        # It ended meanwhile, or belongs to somebody else.
        with contextlib.suppress(OSError):
            if wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.append(pid)
    return [pid for pid in found if pid != os.getpid()]


def kill_all(pids: list[int]) -> None:
    """SIGKILL each and wait until they are gone (or only wait for their parent)."""
    for pid in pids:
        signal_process(pid, signal.SIGKILL)
    deadline = time.monotonic() + _END_SECONDS
    while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)


def signal_process(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_ended(processes: "list[subprocess.Popen[bytes]]", *, seconds: float) -> None:
    """Wait for processes that were asked to end; kill those that do not."""
    deadline = time.monotonic() + seconds
    for process in processes:
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _all_pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _runs(pid: int) -> bool:
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
