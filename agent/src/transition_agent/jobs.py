"""What is to be done for each complete archive, and when again if it failed."""

import random
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from transition_agent.archive import Archive

if TYPE_CHECKING:
    from pathlib import Path

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=30)


class Ended(Enum):
    RECORDED = "recorded"
    REFUSED = "refused"
    """Trying again cannot help; it is looked at anew when the file changes."""
    FAILED = "failed"
    """Tried again after a pause."""
    ABANDONED = "abandoned"
    """The file went away first; S3 has no part of it either."""


@dataclass
class Job:
    archive: Archive
    failures: int = 0
    due: float = 0.0
    """On the monotonic clock."""
    ended: Ended | None = None
    gone: bool = False
    """The file went away before it was recorded: its parts are to be removed from S3."""
    running: Future[None] | None = field(default=None, repr=False)

    @property
    def at_rest(self) -> bool:
        return self.running is None or self.running.done()

    def is_of(self, archive: Archive) -> bool:
        """Whether the file is still the one that this job began with, and never was away."""
        return self.archive.state == archive.state and not self.gone

    def failed(self, *, now: float) -> timedelta:
        """Note a failure; how long to wait: doubling, with jitter, so that nodes spread out."""
        self.ended = Ended.FAILED
        doubled: timedelta = _FIRST_PAUSE * 2**self.failures
        pause = min(doubled, _LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self.failures = min(self.failures + 1, 10)
        self.due = now + pause.total_seconds()
        return pause

    def wants_to_run(self, *, now: float) -> bool:
        return self.at_rest and self.ended in (None, Ended.FAILED) and self.due <= now


class Jobs:
    """One job for each archive. The main thread alone adds and removes them; others may look."""

    def __init__(self) -> None:
        self._jobs: dict[Path, Job] = {}

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def update(self, archives: Iterable[Archive]) -> None:
        """Follow the folder."""
        present = {archive.path: archive for archive in archives}
        for path, job in list(self._jobs.items()):
            if path not in present and job.at_rest:
                self._leave(job)
        for path, archive in present.items():
            known = self._jobs.get(path)
            if known is None or (known.at_rest and not known.is_of(archive)):
                self._jobs[path] = Job(archive)

    def _leave(self, job: Job) -> None:
        if job.ended in (None, Ended.FAILED):
            job.gone = True
        else:
            del self._jobs[job.archive.path]

    def due(self, *, now: float) -> list[Job]:
        """The newest first: after a fault of S3 it is the restore point that matters most."""
        due = [job for job in self._jobs.values() if job.wants_to_run(now=now)]
        return sorted(due, key=lambda job: job.archive.name.created, reverse=True)

    def recorded(self) -> list[Archive]:
        return [job.archive for job in self if job.ended is Ended.RECORDED and job.at_rest]

    def pause(self, longest: timedelta, *, now: float) -> timedelta:
        """Until a failed job is due again, but at most the given time."""
        waits = (job.due - now for job in self._jobs.values() if job.ended is Ended.FAILED)
        return min([longest, *(timedelta(seconds=wait) for wait in waits if wait > 0)])
