"""Local archives go only by a rule that was set, the oldest first."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from transition_agent.archive import Archive
from transition_agent.archives import CheckpointFolder
from transition_agent.retention import Retention, remove

from benchmarks.archive_file import ArchiveFile

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def archives(tmp_path: Path) -> list[Archive]:
    for hour in (3, 1, 2):
        ArchiveFile(created=NOON - timedelta(hours=hour), heap_bytes=1000).write(tmp_path)
    return CheckpointFolder(tmp_path).scan().complete


def _hours(retention: Retention, archives: list[Archive], *, free: int = 1000) -> list[float]:
    chosen = retention.candidates(archives, now=NOON, free_bytes=lambda: free)
    return [(NOON - archive.name.created) / timedelta(hours=1) for archive in chosen]


def test_nothing_goes_unless_a_rule_is_set(archives: list[Archive]) -> None:
    assert _hours(Retention(keep_for=None, floor_bytes=0), archives, free=0) == []


def test_what_is_older_than_its_time_goes(archives: list[Archive]) -> None:
    rule = Retention(keep_for=timedelta(minutes=90), floor_bytes=0)
    assert _hours(rule, archives) == [3, 2]


def test_below_the_floor_the_oldest_go_until_there_is_room(archives: list[Archive]) -> None:
    free = [500]
    rule = Retention(keep_for=None, floor_bytes=1000)
    removed = []
    for archive in rule.candidates(archives, now=NOON, free_bytes=lambda: free[0]):
        removed.append(archive)
        free[0] += 300
    assert removed == archives[:2]


def test_a_file_that_is_another_one_by_now_stays(archives: list[Archive]) -> None:
    changed, gone, same = archives
    changed.path.write_bytes(b"new")
    gone.path.unlink()
    assert [remove(archive) for archive in (changed, gone, same)] == [False, False, True]
    assert changed.path.exists()
    assert not same.path.exists()
