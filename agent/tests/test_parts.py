"""An archive is read once, in parts, through a bounded set of buffers."""

import hashlib
import os
import threading
import zlib
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest
from backports import zstd
from transition_agent.archive import Archive
from transition_agent.archives import CheckpointFolder
from transition_agent.checksums import encode
from transition_agent.content import ArchiveChanged, compression_of
from transition_agent.parts import (
    MAX_PARTS,
    MIB,
    PART_BYTES,
    ArchiveReader,
    Buffers,
    part_bytes_for,
)

from benchmarks.archive_file import ArchiveFile


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    ArchiveFile(heap_bytes=2 * PART_BYTES + 12345).write(tmp_path)
    (archive,) = CheckpointFolder(tmp_path).scan().complete
    return archive


@pytest.fixture
def file(archive: Archive) -> Iterator[FileIO]:
    with FileIO(archive.path) as file:
        yield file


def test_the_parts_are_the_file_and_add_up_to_its_digest(archive: Archive, file: FileIO) -> None:
    reader = ArchiveReader(file, archive=archive)
    buffers = Buffers(1)
    whole = b""
    for number, part in enumerate(reader.parts(buffers), start=1):
        assert part.number == number
        whole += part.body
        buffers.give(part.body)
    assert whole == archive.path.read_bytes()
    assert reader.digest == f"sha256:{hashlib.sha256(whole).hexdigest()}"
    assert reader.agrees(encode(reader.crc32))


def _compressible(folder: Path, *, heap_bytes: int) -> Archive:
    ArchiveFile(heap_bytes=heap_bytes, compressible=True).write(folder)
    (archive,) = CheckpointFolder(folder).scan().complete
    return archive


def _half_random(folder: Path) -> Archive:
    """Compresses, and to more than one part."""
    heap = b"".join(os.urandom(MIB) + bytes(MIB) for _ in range(12))
    path = folder / ArchiveFile().filename
    content = ArchiveFile(heap_bytes=len(heap)).content()
    start = content.index(b"checkpoint/pages-1.img") + 512
    path.write_bytes(content[:start] + heap + content[start + len(heap) :])
    (archive,) = CheckpointFolder(folder).scan().complete
    return archive


def test_compressed_parts_are_one_frame_of_the_file_and_the_same_each_time(tmp_path: Path) -> None:
    archive = _half_random(tmp_path)
    content = archive.path.read_bytes()
    frames = []
    with FileIO(archive.path) as file:
        reader = ArchiveReader(file, archive=archive, compression="zstd")
        for _ in range(2):
            buffers = Buffers(1)
            frame, sizes = b"", []
            for part in reader.parts(buffers):
                frame += part.body
                sizes.append(len(part.body))
                buffers.give(part.body)
            assert sizes == [PART_BYTES, len(frame) - PART_BYTES]
            assert reader.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
            assert reader.stored_digest == f"sha256:{hashlib.sha256(frame).hexdigest()}"
            assert reader.stored_bytes == len(frame)
            assert reader.agrees(encode(zlib.crc32(frame)))
            frames.append(frame)
            reader.rewind()
    assert frames[0] == frames[1]
    decompressor = zstd.ZstdDecompressor()
    assert decompressor.decompress(frames[0]) == content
    assert decompressor.eof
    assert not decompressor.unused_data


def test_an_archive_truncated_while_it_is_compressed_is_noticed(tmp_path: Path) -> None:
    archive = _compressible(tmp_path, heap_bytes=20 * MIB)
    buffers = Buffers(1)
    with FileIO(archive.path) as file:
        reader = ArchiveReader(file, archive=archive, compression="zstd")
        os.truncate(archive.path, 10 * MIB)
        with pytest.raises(ArchiveChanged, match="shorter than it was"):
            next(reader.parts(buffers))
    assert len(buffers.take(10)) == 10  # its buffer came back


@pytest.mark.parametrize(
    ("heap_bytes", "compressible", "expected"),
    [(20 * MIB, True, "zstd"), (20 * MIB, False, "none"), (10 * MIB, True, "none")],
    ids=["text", "random", "small"],
)
def test_samples_tell_whether_an_archive_is_compressed(
    tmp_path: Path, heap_bytes: int, expected: str, *, compressible: bool
) -> None:
    path = ArchiveFile(heap_bytes=heap_bytes, compressible=compressible).write(tmp_path)
    with FileIO(path) as file:
        assert compression_of(file, size_bytes=path.stat().st_size) == expected


def test_reading_waits_while_all_buffers_are_on_their_way(archive: Archive, file: FileIO) -> None:
    buffers = Buffers(2)
    parts = ArchiveReader(file, archive=archive).parts(buffers)
    first, _ = next(parts), next(parts)
    third = threading.Thread(target=next, args=[parts])
    third.start()
    third.join(0.2)
    assert third.is_alive()
    buffers.give(first.body)
    third.join(30)
    assert not third.is_alive()


def test_an_archive_truncated_while_it_is_read_is_noticed(archive: Archive, file: FileIO) -> None:
    buffers = Buffers(1)
    reader = ArchiveReader(file, archive=archive)
    parts = reader.parts(buffers)
    buffers.give(next(parts).body)
    os.truncate(archive.path, PART_BYTES + 10)
    with pytest.raises(ArchiveChanged, match="shorter than it was"):
        next(parts)
    assert len(buffers.take(10)) == 10  # its buffer came back


def test_an_archive_written_to_while_it_is_read_is_noticed(archive: Archive, file: FileIO) -> None:
    reader = ArchiveReader(file, archive=archive)
    reader.check_unchanged()
    with archive.path.open("ab") as out:
        out.write(b"more")
    with pytest.raises(ArchiveChanged, match="written to while it was read"):
        reader.check_unchanged()


@pytest.mark.parametrize("size_bytes", [1, PART_BYTES, 78 << 30, 79 << 30, 5 << 40])
def test_no_archive_has_more_parts_than_s3_takes(size_bytes: int) -> None:
    part_bytes = part_bytes_for(size_bytes)
    assert -(-size_bytes // part_bytes) <= MAX_PARTS
    assert part_bytes % MIB == 0
