"""Reading an archive once, part by part, into a few buffers that are used over and over."""

import hashlib
import os
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from time import perf_counter

from transition_wire.archive_name import Compression

from transition_agent.archive import Archive, FileState
from transition_agent.checksums import combine, composite, encode
from transition_agent.content import PlainContent, ZstdContent, changed
from transition_agent.multipart import Part

MIB = 1 << 20
PART_BYTES = 8 * MIB
MAX_PARTS = 10_000
"""S3's bound of parts; above 78 GiB the parts grow."""


def part_bytes_for(size_bytes: int) -> int:
    """The same for every attempt of an archive, so that an interrupted one can go on."""
    return max(PART_BYTES, -(-size_bytes // (MAX_PARTS * MIB)) * MIB)


class Buffers:
    """The bound of the agent's memory: this many parts, whatever it uploads at once.

    Whole parts are used again: freed and made anew they would fragment the heap. An archive's last
    part is smaller, and has memory of its own for as long as it is on its way.
    """

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)
        self._whole: deque[bytearray] = deque()

    def take(self, size_bytes: int) -> bytearray:
        """A buffer of exactly this size; waits until there may be one more."""
        self._free.acquire()
        if size_bytes == PART_BYTES:
            with suppress(IndexError):
                return self._whole.pop()
        return bytearray(size_bytes)

    def give(self, buffer: bytearray) -> None:
        if len(buffer) == PART_BYTES:
            self._whole.append(buffer)
        self._free.release()


class ArchiveReader:
    """One pass over an archive: its parts as they are stored, and what they add up to."""

    def __init__(
        self, file: FileIO, *, archive: Archive, compression: Compression = "none"
    ) -> None:
        self._file = file
        self._archive = archive
        self.compression = compression
        self.rewind()

    def rewind(self) -> None:
        self._plain = PlainContent(self._file, archive=self._archive)
        self._stored_sha256 = hashlib.sha256()
        self._checking_seconds = 0.0
        self._part_crcs: list[int] = []
        self.crc32 = 0
        self.stored_bytes = 0

    def parts(self, buffers: Buffers) -> Iterator[Part]:
        """Whoever takes a part gives its buffer back; hashing releases the interpreter's lock."""
        content = self._plain if self.compression == "none" else ZstdContent(self._plain)
        part_bytes = part_bytes_for(self._archive.state.size_bytes)
        while not content.ended:
            body = buffers.take(content.room_for(part_bytes))
            with _given_back_on_error(buffers, body):
                del body[content.fill(body) :]
                part = self._checked(body)
            yield part

    @property
    def digest(self) -> str:
        """Of the tar."""
        return self._plain.digest

    @property
    def stored_digest(self) -> str:
        """Of the parts."""
        if self.compression == "none":
            return self.digest
        return f"sha256:{self._stored_sha256.hexdigest()}"

    @property
    def hashing_seconds(self) -> float:
        return self._plain.hashing_seconds + self._checking_seconds

    def agrees(self, crc32: str) -> bool:
        """Whether S3's checksum, of the whole object or of its parts, is of these bytes."""
        return crc32 in (encode(self.crc32), composite(self._part_crcs))

    def check_unchanged(self) -> None:
        """Raise `ArchiveChanged` if somebody wrote to the file meanwhile."""
        if FileState.of(os.fstat(self._file.fileno())) != self._archive.state:
            raise changed(self._archive, "written to while it was read")

    def _checked(self, body: bytearray) -> Part:
        begun = perf_counter()
        if self.compression != "none":
            self._stored_sha256.update(body)
        crc32 = zlib.crc32(body)
        self._checking_seconds += perf_counter() - begun
        self.crc32 = combine(self.crc32, crc32, second_bytes=len(body))
        self._part_crcs.append(crc32)
        self.stored_bytes += len(body)
        return Part(number=len(self._part_crcs), body=body, crc32=crc32)


@contextmanager
def _given_back_on_error(buffers: Buffers, body: bytearray) -> Iterator[None]:
    try:
        yield
    except BaseException:
        buffers.give(body)
        raise
