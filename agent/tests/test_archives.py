"""The folder is followed: complete archives appear once, others wait or are refused."""

import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from transition_agent.archive import Archive
from transition_agent.archives import CheckpointFolder, FolderEvents, Wake

from benchmarks.archive_file import ArchiveFile

SMALL = ArchiveFile(heap_bytes=100_000)


def _only(folder: CheckpointFolder) -> Archive:
    (archive,) = folder.scan().complete
    return archive


def test_a_complete_archive_says_what_it_is(tmp_path: Path) -> None:
    SMALL.write(tmp_path)
    archive = _only(CheckpointFolder(tmp_path))
    assert (archive.name.pod, archive.name.namespace) == (SMALL.pod, "shop")
    assert archive.name.created == SMALL.created
    assert archive.base_image.name == "registry.example/counter:1"
    assert archive.base_image.reference.startswith("registry.example/counter@sha256:")
    assert archive.members.keys() == {"config.dump", "spec.dump"}


def test_an_archive_is_incomplete_until_its_last_byte(tmp_path: Path) -> None:
    content = SMALL.content()
    folder = CheckpointFolder(tmp_path)
    path = tmp_path / SMALL.filename
    with path.open("wb", buffering=0) as out:
        for start in range(0, len(content), 9973):
            assert folder.scan().complete == []
            out.write(content[start : start + 9973])
    assert _only(folder).state.size_bytes == len(content)


def test_a_truncated_archive_waits_and_is_no_error(tmp_path: Path) -> None:
    path = SMALL.write(tmp_path)
    os.truncate(path, path.stat().st_size - 1)
    scan = CheckpointFolder(tmp_path).scan()
    assert (scan.complete, scan.broken) == ([], [])
    assert scan.incomplete == [path]


def test_an_archive_written_anew_is_looked_at_from_the_start(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    path = SMALL.write(tmp_path)
    first = _only(folder)
    content = ArchiveFile(heap_bytes=200_000).content()
    path.write_bytes(content[:1000])
    assert folder.scan().complete == []
    path.write_bytes(content)
    assert _only(folder).state != first.state


def test_an_unchanged_archive_is_not_opened_again(tmp_path: Path) -> None:
    path = SMALL.write(tmp_path)
    folder = CheckpointFolder(tmp_path)
    archive = _only(folder)
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)  # same inode and size: only the time would tell
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _only(folder) is archive


def test_an_archive_of_another_container_than_its_name_is_refused(tmp_path: Path) -> None:
    SMALL.write(tmp_path).rename(tmp_path / ArchiveFile(container="other").filename)
    (error,) = CheckpointFolder(tmp_path).scan().broken
    assert error.what.startswith("its spec is of another container than its name")


def test_a_refused_archive_says_which_part_is_missing_and_none_of_its_content(
    tmp_path: Path,
) -> None:
    content = SMALL.content().replace(b"io.kubernetes.cri.sandbox-name", b"x" * 30)
    (tmp_path / SMALL.filename).write_bytes(content)
    (error,) = CheckpointFolder(tmp_path).scan().broken
    assert "io.kubernetes.cri.sandbox-name or io.kubernetes.pod.name" in error.what
    assert "shop" not in error.what


def test_other_files_and_links_are_left_alone(tmp_path: Path) -> None:
    outside = SMALL.write(tmp_path)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / SMALL.filename).symlink_to(outside)
    scan = CheckpointFolder(folder).scan()
    assert not scan.complete + scan.incomplete + scan.broken


def test_a_folder_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert CheckpointFolder(tmp_path / "later").scan().complete == []


def test_a_new_archive_wakes_the_watch_up(tmp_path: Path) -> None:
    with FolderEvents(tmp_path) as events:
        writer = threading.Timer(0.05, SMALL.write, args=[tmp_path])
        writer.start()
        events.wait(timedelta(seconds=30), wake=Wake(threading.Event()))
        assert (tmp_path / SMALL.filename).exists()
        writer.join()


def test_a_folder_that_is_made_later_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    with FolderEvents(folder) as events:
        maker = threading.Timer(0.05, folder.mkdir)
        maker.start()
        events.wait(timedelta(seconds=30), wake=Wake(threading.Event()))
        maker.join()
        assert events.stale
    with FolderEvents(folder) as events:
        assert not events.stale


def test_the_watch_ends_when_the_agent_stops(tmp_path: Path) -> None:
    stop = threading.Event()
    with FolderEvents(tmp_path) as events:
        threading.Timer(0.05, stop.set).start()
        events.wait(timedelta(seconds=30), wake=Wake(stop))
        assert stop.is_set()


def test_the_watch_ends_when_work_has_ended(tmp_path: Path) -> None:
    wake = Wake(threading.Event())
    with FolderEvents(tmp_path) as events:
        threading.Timer(0.05, wake.up).start()
        events.wait(timedelta(seconds=30), wake=wake)
        assert wake.is_set()
        wake.rest()
        assert not wake.is_set()


def test_without_file_events_the_wait_ends_after_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("inotify instance limit reached")

    monkeypatch.setattr("transition_agent.archives.RustNotify", refuse)
    with FolderEvents(tmp_path) as events:
        assert events.problem == "inotify instance limit reached"
        SMALL.write(tmp_path)
        events.wait(timedelta(milliseconds=50), wake=Wake(threading.Event()))
    assert CheckpointFolder(tmp_path).scan().complete
