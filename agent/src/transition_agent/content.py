"""An archive's bytes on their way to S3: as they are, or compressed where that pays."""

import hashlib
import os
from io import FileIO
from time import perf_counter

from backports import zstd
from backports.zstd import CompressionParameter, ZstdCompressor
from transition_wire.archive_name import Compression

from transition_agent.archive import Archive
from transition_agent.errors import AgentError

_LEVEL = 1
"""One thread of it is faster than a disk; higher levels cost more than they save."""
_BLOCK_BYTES = 1 << 20
"""The same for every attempt, so that the same archive gives the same bytes and can be resumed."""
_SAMPLES = 4
_SAMPLE_BYTES = 1 << 17
_SMALL_BYTES = 16 << 20
_WORTHWHILE = 0.7


class ArchiveChanged(AgentError):  # noqa: N818 - named for what it is, as the log shows it
    """The file is no longer the archive that was found complete."""


def compression_of(file: FileIO, *, size_bytes: int) -> Compression:
    """Judge by a few samples, spread over the archive, whether its memory compresses.

    Encrypted or compressed heaps do not: there it costs processor time and gains nothing. The same
    archive always gets the same answer, so that an interrupted upload finds its parts.
    """
    if size_bytes < _SMALL_BYTES:
        return "none"
    plain = compressed = 0
    for number in range(_SAMPLES):
        place = size_bytes * (2 * number + 1) // (2 * _SAMPLES)
        sample = os.pread(file.fileno(), _SAMPLE_BYTES, place)
        plain += len(sample)
        compressed += len(zstd.compress(sample, _LEVEL))
    return "zstd" if compressed < _WORTHWHILE * plain else "none"


class PlainContent:
    """The file's bytes; what is hashed here is the tar, however it is stored."""

    def __init__(self, file: FileIO, *, archive: Archive) -> None:
        file.seek(0)
        self._file = file
        self._archive = archive
        self._sha256 = hashlib.sha256()
        self.left_bytes = archive.state.size_bytes
        self.hashing_seconds = 0.0

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"

    @property
    def ended(self) -> bool:
        return not self.left_bytes

    def room_for(self, part_bytes: int) -> int:
        """How large the next buffer is to be."""
        return min(part_bytes, self.left_bytes)

    def fill(self, body: bytearray) -> int:
        """Fill all of it, which is not more than is left."""
        with memoryview(body) as rest:
            filled = 0
            while filled < len(body):
                count = self._file.readinto(rest[filled:])
                if not count:
                    raise changed(self._archive, "shorter than it was")
                filled += count
        self.left_bytes -= filled
        begun = perf_counter()
        self._sha256.update(body)
        self.hashing_seconds += perf_counter() - begun
        return filled


class ZstdContent:
    """The same, as one zstd frame, made by the one thread that reads."""

    def __init__(self, plain: PlainContent) -> None:
        self._plain = plain
        self._compressor = ZstdCompressor(
            options={
                CompressionParameter.compression_level: _LEVEL,
                CompressionParameter.checksum_flag: 1,
            }
        )
        self._block = bytearray(_BLOCK_BYTES)
        self._waiting = memoryview(b"")
        self._flushed = False

    @property
    def ended(self) -> bool:
        return self._flushed and not self._waiting

    def room_for(self, part_bytes: int) -> int:
        return part_bytes

    def fill(self, body: bytearray) -> int:
        """Fill it as far as there is something; how far."""
        filled = 0
        while filled < len(body) and not self.ended:
            if not self._waiting:
                self._waiting = memoryview(self._more())
            count = min(len(body) - filled, len(self._waiting))
            body[filled : filled + count] = self._waiting[:count]
            self._waiting = self._waiting[count:]
            filled += count
        return filled

    def _more(self) -> bytes:
        if self._plain.ended:
            self._flushed = True
            return self._compressor.flush()
        del self._block[self._plain.room_for(_BLOCK_BYTES) :]
        self._plain.fill(self._block)
        return self._compressor.compress(self._block)


def changed(archive: Archive, what: str) -> ArchiveChanged:
    return ArchiveChanged(what, where=str(archive.path), do="it is read anew once it is complete")
