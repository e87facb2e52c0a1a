"""Each archive is worked on once, and again later when that failed."""

from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from transition_agent.archive import Archive
from transition_agent.archives import CheckpointFolder
from transition_agent.jobs import Ended, Jobs

from benchmarks.archive_file import ArchiveFile

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    ArchiveFile(heap_bytes=1000).write(tmp_path)
    (archive,) = CheckpointFolder(tmp_path).scan().complete
    return archive


def test_a_recorded_archive_is_never_due_again(archive: Archive) -> None:
    jobs = Jobs()
    jobs.update([archive])
    (job,) = jobs.due(now=0)
    job.ended = Ended.RECORDED
    jobs.update([archive])
    assert jobs.due(now=1e9) == []
    assert jobs.recorded() == [archive]


def test_pauses_after_failures_double_up_to_a_bound(archive: Archive) -> None:
    jobs = Jobs()
    jobs.update([archive])
    (job,) = jobs.due(now=0)
    pauses = [job.failed(now=0).total_seconds() for _ in range(12)]
    assert pauses[0] <= 1
    assert all(pause <= 30 for pause in pauses)
    assert min(pauses[-3:]) >= 15
    assert jobs.due(now=0) == []
    assert jobs.due(now=30) == [job]
    assert jobs.pause(HOUR, now=0) == timedelta(seconds=job.due)


def test_a_running_job_is_not_started_twice_and_not_forgotten(archive: Archive) -> None:
    jobs = Jobs()
    jobs.update([archive])
    (job,) = jobs.due(now=0)
    job.running = Future()
    assert jobs.due(now=1) == []
    jobs.update([])
    assert list(jobs) == [job]


def test_an_archive_that_went_away_is_cleaned_up_until_that_worked(archive: Archive) -> None:
    jobs = Jobs()
    jobs.update([archive])
    jobs.update([])
    (job,) = jobs.due(now=0)
    assert job.gone
    job.failed(now=0)
    jobs.update([])
    assert jobs.due(now=60) == [job]
    job.ended = Ended.ABANDONED
    jobs.update([])
    assert list(jobs) == []


def test_an_archive_that_came_back_is_uploaded(archive: Archive) -> None:
    jobs = Jobs()
    jobs.update([archive])
    jobs.update([])
    jobs.update([archive])
    (job,) = jobs.due(now=0)
    assert not job.gone


def test_the_newest_archive_comes_first(tmp_path: Path) -> None:
    for minute in (1, 3, 2):
        ArchiveFile(created=NOON + timedelta(minutes=minute), heap_bytes=1000).write(tmp_path)
    jobs = Jobs()
    jobs.update(CheckpointFolder(tmp_path).scan().complete)
    created = [job.archive.name.created for job in jobs.due(now=0)]
    assert created == [NOON + timedelta(minutes=minute) for minute in (3, 2, 1)]
