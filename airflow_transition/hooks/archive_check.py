"""Looking at an archive as it passes: that it is the recorded one, and what is in it."""

import hashlib
from collections.abc import Iterator

from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
from transition_wire.checkpoint_record import CheckpointRecord

from airflow_transition.core.checkpoint import ArchiveInspector, CheckpointArchive
from airflow_transition.core.errors import PermanentError

_PLAIN_BYTES = 1 << 18
"""Decompressed at a time: two of them are in memory, whatever a frame expands to."""
_WINDOW_LOG_MAX = 23
"""8 MiB, as much as every zstd decoder must have; the agent's frames need far less."""


class ArchiveDigestError(PermanentError):
    """The bytes in the store are not those that the agent hashed."""


class ArchiveCheck:
    """Push the stored bytes in with `feed`, then `finish`; a compressed archive is never held.

    One zstd frame and nothing behind it: what two decoders could read differently is refused.
    """

    def __init__(self, record: CheckpointRecord) -> None:
        self._record = record
        self._inspector = ArchiveInspector(where=record.key, size_bytes=record.size_bytes)
        self._stored_sha256 = self._sha256 = hashlib.sha256()
        self._frame: ZstdDecompressor | None = None
        if record.stored.compression == "zstd":
            self._sha256 = hashlib.sha256()
            self._frame = ZstdDecompressor(
                options={DecompressionParameter.window_log_max: _WINDOW_LOG_MAX}
            )
        self._plain_bytes = 0
        self.passed_bytes = 0
        """Of the stored ones."""

    def feed(self, chunk: memoryview) -> None:
        """Look at the next bytes; raises at the first thing that is wrong."""
        self.passed_bytes += len(chunk)
        if self.passed_bytes > self._record.stored.size_bytes:
            raise self.wrong(f"more than {self._record.stored.size_bytes} bytes")
        self._stored_sha256.update(chunk)
        if self._frame is None:
            self._inspector.feed(chunk)
            return
        for plain in self._decompressed(chunk, frame=self._frame):
            self._plain_bytes += len(plain)
            if self._plain_bytes > self._record.size_bytes:
                raise self.wrong(f"an archive of more than {self._record.size_bytes} bytes")
            self._sha256.update(plain)
            self._inspector.feed(plain)

    def finish(self) -> CheckpointArchive:
        """Give what is in the archive, once all of it passed and is what was recorded."""
        record = self._record
        found = f"sha256:{self._stored_sha256.hexdigest()}"
        if found != record.stored.digest or self.passed_bytes != record.stored.size_bytes:
            raise self.wrong(f"{found} instead of {record.stored.digest}")
        found = f"sha256:{self._sha256.hexdigest()}"
        if found != record.digest or not (self._frame is None or self._frame.eof):
            raise self.wrong(f"an archive {found} instead of {record.digest}")
        return self._inspector.finish()

    def wrong(self, found: str) -> ArchiveDigestError:
        """Build the error for bytes that are not the recorded ones."""
        return ArchiveDigestError(
            "the archive's bytes are not those that the node's agent hashed",
            where=self._record.stored.key,
            found=found,
            do="find out who writes to the bucket, and take a new checkpoint",
        )

    def _decompressed(self, chunk: memoryview, *, frame: ZstdDecompressor) -> Iterator[bytes]:
        given: memoryview | bytes = chunk
        while given or not (frame.needs_input or frame.eof):
            if frame.eof:
                raise self.wrong("bytes behind its zstd frame")
            try:
                yield frame.decompress(given, max_length=_PLAIN_BYTES)
            except ZstdError as error:
                raise self.wrong(str(error)) from error
            given = frame.unused_data
