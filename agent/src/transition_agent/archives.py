"""The checkpoint folder: which archives in it are complete, and waiting until something changes."""

import errno
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from transition_wire.archive_name import created_of
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from transition_agent.archive import MEMBERS, Archive, FileState, describe
from transition_agent.tar_walk import BrokenArchive, TarWalk

_GROUPED = timedelta(milliseconds=100)
_QUIET = timedelta(milliseconds=25)
"""An archive's last byte is noticed after two quiet steps; the price is 40 short wake-ups/s."""


@dataclass
class _Seen:
    state: FileState
    walk: TarWalk
    archive: Archive | None = None
    problem: BrokenArchive | None = None


@dataclass(frozen=True)
class Scan:
    """What one look at the folder found."""

    complete: list[Archive] = field(default_factory=list)
    """All complete archives, oldest first."""
    incomplete: list[Path] = field(default_factory=list)
    broken: list[BrokenArchive] = field(default_factory=list)
    unreadable: list[OSError] = field(default_factory=list)
    """Looked at again next time."""


class CheckpointFolder:
    """Looks at each archive again only when its file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: dict[Path, _Seen] = {}

    def scan(self) -> Scan:
        present = dict(self._files())
        for path in self._seen.keys() - present.keys():
            del self._seen[path]
        unreadable = []
        for path, state in present.items():
            if path not in self._seen or self._seen[path].state != state:
                try:
                    self._look(path)
                except OSError as error:
                    unreadable.append(error)
        seen = sorted(self._seen.items())
        complete = [entry.archive for _, entry in seen if entry.archive]
        return Scan(
            complete=sorted(complete, key=lambda archive: archive.name.created),
            incomplete=[path for path, e in seen if not e.archive and not e.problem],
            broken=[entry.problem for _, entry in seen if entry.problem],
            unreadable=unreadable,
        )

    def _files(self) -> Iterator[tuple[Path, FileState]]:
        # No folder is no archive: the kubelet makes it at its first checkpoint.
        with suppress(FileNotFoundError), os.scandir(self._path) as entries:
            for entry in entries:
                if created_of(entry.name) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):  # removed since it was listed
                        yield Path(entry.path), FileState.of(entry.stat(follow_symlinks=False))

    def _look(self, path: Path) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP):
                raise
            self._seen.pop(path, None)  # removed, or made a link, since the folder was listed
            return
        try:
            self._read(descriptor, path=path)
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, *, path: Path) -> None:
        state = FileState.of(os.fstat(descriptor))
        seen = self._seen.get(path)
        walk = seen.walk if seen and _only_grew(seen, state) else TarWalk(str(path), MEMBERS)
        seen = self._seen[path] = _Seen(state, walk)
        try:
            if walk.advance(descriptor):
                seen.archive = describe(descriptor, path=path, walk=walk, state=state)
        except BrokenArchive as error:
            seen.problem = error


def _only_grew(seen: _Seen, state: FileState) -> bool:
    """Whether what was read before still stands: an archive that was complete was written anew."""
    return (
        seen.archive is None
        and seen.problem is None
        and seen.state.inode == state.inode
        and seen.state.size_bytes <= state.size_bytes
    )


class Wake:
    """Ends a wait early: work has ended, or the agent stops."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._woken = threading.Event()

    def up(self) -> None:
        self._woken.set()

    def rest(self) -> None:
        self._woken.clear()

    def is_set(self) -> bool:
        """As watchfiles asks an event, at every step."""
        return self._stop.is_set() or self._woken.is_set()

    def wait(self, timeout: timedelta) -> None:
        deadline = time.monotonic() + timeout.total_seconds()
        while not self._stop.is_set() and (left := deadline - time.monotonic()) > 0:
            if self._woken.wait(min(left, 1)):
                return


class FolderEvents:
    """Wakes up on the kernel's file events; armed from construction on, so scan after that.

    Where the kernel gives no events (out of inotify instances) it only sleeps: the caller's
    timeout, after which it looks anyway, is then the price.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watched = _nearest(folder)
        self.problem: str | None = None
        """Why there are no events."""
        try:
            self._events = self._arm()
        except (OSError, WatchfilesRustInternalError) as error:
            self._events = None
            self.problem = str(error)

    def _arm(self) -> RustNotify | None:
        if self._watched is None:
            raise FileNotFoundError(f"{self._folder} cannot be reached")
        path = str(self._watched[0])
        return RustNotify([path], False, False, 0, False, False)  # noqa: FBT003 - the library takes them by position only

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._events:
            self._events.close()

    @property
    def stale(self) -> bool:
        """Whether the folder was made, or replaced, since: then the events are of another one."""
        return _nearest(self._folder) != self._watched

    def wait(self, timeout: timedelta, *, wake: Wake) -> None:
        """Return at the next change, after `timeout`, or soon after it is woken up."""
        if self._events is None:
            wake.wait(timeout)
        else:
            self._events.watch(_millis(_GROUPED), _millis(_QUIET), max(1, _millis(timeout)), wake)


def _nearest(folder: Path) -> tuple[Path, int, int] | None:
    """The folder, its device and inode, or while there is none those of the nearest above it."""
    for path in (folder, *folder.parents):
        with suppress(OSError):
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                return path, status.st_dev, status.st_ino
    return None


def _millis(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))
