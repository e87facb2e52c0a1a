"""Which local archives may go: by age, or because the disk is nearly full, and only when recorded.

Both rules are off unless they are set. What may go is decided here; that its record is in S3 is
asked of S3 right before each removal.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from transition_agent.archive import Archive, FileState


@dataclass(frozen=True, kw_only=True)
class Retention:
    keep_for: timedelta | None
    floor_bytes: int

    def candidates(
        self, archives: Iterable[Archive], *, now: datetime, free_bytes: Callable[[], int]
    ) -> Iterator[Archive]:
        """Oldest first. The free space is asked anew each time: a removal changes it."""
        for archive in sorted(archives, key=lambda archive: archive.name.created):
            old = self.keep_for is not None and now - archive.name.created > self.keep_for
            if old or free_bytes() < self.floor_bytes:
                yield archive


def free_bytes(folder: Path) -> int:
    """Space that is left there for others than root."""
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


def remove(archive: Archive) -> bool:
    """Remove the file if it is still the one whose record was found."""
    try:
        if FileState.of(archive.path.lstat()) != archive.state:
            return False
        archive.path.unlink()
    except FileNotFoundError:
        return False
    return True
