"""Start, find again and end the lab's processes, by their id and never by a name.

A daemon is known by its pid file, so that any process can stop what another one started. The file
holds the kernel's start time of the process too: a number that was given to another process since
is not ours, and is left alone.
"""

import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

PROBE_INTERVAL = timedelta(milliseconds=50)
_LOG_TAIL_BYTES = 2000


class DaemonError(Exception):
    """A process of the lab did not do what it was started for; the message ends with its log."""


@dataclass(frozen=True)
class Daemon:
    """One background process with its own session, log and pid file under the state folder."""

    name: str
    state: Path
    netns: str | None = None
    """Network namespace to run in; None is the caller's own."""

    @property
    def pid_file(self) -> Path:
        return self.state / "run" / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        return self.state / "logs" / f"{self.name}.log"

    def start(self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> int:
        """Start unless it runs already; secrets belong into files or the environment.

        The environment is all that the process gets beside PATH.
        """
        if (pid := self.pid()) is not None:
            return pid
        for file in (self.pid_file, self.log_file):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        inside = ["nsenter", f"--net=/run/netns/{self.netns}", "--"] if self.netns else []
        command = [*inside, *argv]
        log = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            pid = os.posix_spawnp(
                command[0],
                command,
                {"PATH": os.environ["PATH"], **(environment or {})},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGPIPE, signal.SIGTERM),
            )
        finally:
            os.close(log)
        _write_pid(self.pid_file, pid=pid)
        return pid

    def pid(self) -> int | None:
        """The running process, or None: not started, ended, or the number is another's now."""
        found = _read_pid(self.pid_file)
        if found is None:
            return None
        pid, start_time = found
        _reap(pid)
        return pid if _start_time(pid) == start_time else None

    def stop(self, *, patience: timedelta = timedelta(seconds=15)) -> None:
        """Ask the whole process group to end, and end it when the patience is over."""
        self._end(signal.SIGTERM, patience=patience)

    def kill(self) -> None:
        """End it without warning, as a fault does; its files stay as they are."""
        self._end(signal.SIGKILL, patience=timedelta(seconds=5))

    def _end(self, first: signal.Signals, *, patience: timedelta) -> None:
        pid = self.pid()
        if pid is not None:
            for each in (first, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(pid, each)
                if _wait_for_end(pid, patience=patience):
                    break
            with suppress(ProcessLookupError):  # children that outlived their parent
                os.killpg(pid, signal.SIGKILL)
        self.pid_file.unlink(missing_ok=True)

    def log_tail(self) -> str:
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as log:
            log.seek(max(0, self.log_file.stat().st_size - _LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")


def daemons(state: Path) -> list[Daemon]:
    """Everything with a pid file in this state folder, running or not."""
    return [Daemon(file.stem, state=state) for file in sorted((state / "run").glob("*.pid"))]


def _write_pid(file: Path, *, pid: int) -> None:
    partial = file.with_suffix(".partial")
    partial.write_text(f"{pid} {_start_time(pid) or 0}\n")  # 0: it has ended already
    partial.replace(file)


def _read_pid(file: Path) -> tuple[int, int] | None:
    try:
        pid, start_time = file.read_text().split()
        return int(pid), int(start_time)
    except (FileNotFoundError, ValueError):
        return None


def _start_time(pid: int) -> int | None:
    """Clock ticks since boot (field 22 of /proc/PID/stat); None when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _reap(pid: int) -> None:
    """Take the status of an ended child, else it stays as a zombie of the process that runs us."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _wait_for_end(pid: int, *, patience: timedelta) -> bool:
    deadline = time.monotonic() + patience.total_seconds()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ended = select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]
    finally:
        os.close(handle)
    _reap(pid)
    return bool(ended)
