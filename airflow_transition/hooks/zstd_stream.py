"""An archive compressed on its way: fewer bytes to store and to pull where memory compresses."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from backports import zstd
from backports.zstd import CompressionParameter, ZstdCompressor

from airflow_transition.core.image import ZSTD_LAYER_TYPE, Descriptor
from airflow_transition.hooks.archive_stream import ArchiveSource, ArchiveStream

_CHUNK_BYTES = 1 << 18
_LEVEL = 1
"""Faster than the network between two regions; higher levels cost more than they save."""
_SAMPLES = 4
_SAMPLE_BYTES = 1 << 17
_SMALL_BYTES = 16 << 20
_WORTHWHILE = 0.7


def compression_pays(source: ArchiveSource, *, size_bytes: int) -> bool:
    """Judge by a few samples, spread over the archive, whether its memory compresses.

    Encrypted or compressed heaps do not: there it costs processor time and gains nothing. The same
    archive always gets the same answer, so that a repeated build finds its work done.
    """
    if size_bytes < _SMALL_BYTES:
        return False
    plain = compressed = 0
    for number in range(_SAMPLES):
        source.seek(size_bytes * (2 * number + 1) // (2 * _SAMPLES))
        sample = source.read(_SAMPLE_BYTES)
        plain += len(sample)
        compressed += len(zstd.compress(sample, _LEVEL))
    return compressed < _WORTHWHILE * plain


class ZstdStream:
    """The compressed bytes of an archive stream; its digest is known when all have passed."""

    def __init__(self, archive: ArchiveStream, *, level: int = _LEVEL) -> None:
        self._archive = archive
        self._level = level
        self._hash = hashlib.sha256()
        self._size_bytes = 0

    @contextmanager
    def chunks(self, offset: int = 0) -> Iterator[Iterator[bytes]]:
        """Compress from the start: a compressed stream cannot be taken up in the middle."""
        if offset:
            raise ValueError("a compressed stream begins at its start")
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        with self._archive.chunks() as plain:
            yield self._compressed(plain)

    def digest(self) -> str:
        """Give the compressed blob's digest, once the archive in it is known to be good."""
        self._archive.finish()
        return self.descriptor().digest

    def descriptor(self) -> Descriptor:
        """Point at the blob whose bytes have all passed."""
        return Descriptor(ZSTD_LAYER_TYPE, f"sha256:{self._hash.hexdigest()}", self._size_bytes)

    def _compressed(self, plain: Iterator[bytes]) -> Iterator[bytes]:
        compressor = ZstdCompressor(
            options={
                CompressionParameter.compression_level: self._level,
                CompressionParameter.checksum_flag: 1,
            }
        )
        waiting = bytearray()
        for chunk in plain:
            waiting += compressor.compress(chunk)
            if len(waiting) >= _CHUNK_BYTES:
                yield self._counted(bytes(waiting))
                waiting.clear()
        yield self._counted(bytes(waiting) + compressor.flush())

    def _counted(self, chunk: bytes) -> bytes:
        self._hash.update(chunk)
        self._size_bytes += len(chunk)
        return chunk
