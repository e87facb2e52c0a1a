"""The bytes of an archive on their way: read ahead in a thread, hashed and inspected once."""

import hashlib
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from transition_wire.checkpoint_record import CheckpointRecord

from airflow_transition.core.checkpoint import ArchiveInspector, CheckpointArchive
from airflow_transition.core.errors import PermanentError

_CHUNK_BYTES = 1 << 18
_CHUNKS_AHEAD = 4


class ArchiveDigestError(PermanentError):
    """The bytes in the store are not those that the agent hashed."""


class ArchiveSource(Protocol):
    """What an archive is read from: an `ArchiveReader`, or an open file."""

    def read(self, size: int, /) -> bytes:
        """Give up to `size` bytes; none at the end."""
        ...

    def seek(self, offset: int, /) -> int:
        """Go to a byte of the archive."""
        ...


class ArchiveStream:
    """Gives the archive's bytes from any offset; each byte is checked the first time it passes.

    A push that starts again, wholly or from the middle, so never hashes twice.
    """

    def __init__(self, source: ArchiveSource, *, record: CheckpointRecord) -> None:
        self._source = source
        self._record = record
        self._hash = hashlib.sha256()
        self._inspector = ArchiveInspector(where=record.key, size_bytes=record.size_bytes)
        self._checked_bytes = 0

    @contextmanager
    def chunks(self, offset: int = 0) -> Iterator[Iterator[bytes]]:
        """Read ahead while the block runs; the reader has ended when the block is left."""
        ahead: queue.Queue[bytes | BaseException] = queue.Queue(_CHUNKS_AHEAD)
        stopped = threading.Event()
        reader = threading.Thread(
            target=self._read_ahead, args=(offset, ahead, stopped), name="archive-reader"
        )
        reader.start()
        try:
            yield _taken(ahead)
        finally:
            stopped.set()
            while reader.is_alive():  # a full queue would keep it waiting for ever
                _empty(ahead)
                reader.join(timeout=0.05)

    def finish(self) -> CheckpointArchive:
        """Give what is in the archive, once all of it passed and is what was recorded."""
        digest = f"sha256:{self._hash.hexdigest()}"
        if digest != self._record.digest or self._checked_bytes != self._record.size_bytes:
            raise self._wrong(f"{digest} instead of {self._record.digest}")
        return self._inspector.finish()

    def digest(self) -> str:
        """Give the archive's digest, once all of it passed and is good."""
        self.finish()
        return self._record.digest

    def _read_ahead(
        self,
        offset: int,
        ahead: "queue.Queue[bytes | BaseException]",
        stopped: threading.Event,
    ) -> None:
        try:
            self._source.seek(offset)
            while not stopped.is_set() and (chunk := self._source.read(_CHUNK_BYTES)):
                self._check(chunk, offset=offset)
                offset += len(chunk)
                ahead.put(chunk)
            complete = stopped.is_set() or offset == self._record.size_bytes
            ahead.put(b"" if complete else self._wrong(f"it ends after {offset} bytes"))
        except BaseException as error:  # noqa: BLE001  it is raised again where the bytes are used
            ahead.put(error)

    def _wrong(self, found: str) -> ArchiveDigestError:
        return ArchiveDigestError(
            "the archive's bytes are not those that the node's agent hashed",
            where=self._record.key,
            found=found,
            do="find out who writes to the bucket, and take a new checkpoint",
        )

    def _check(self, chunk: bytes, *, offset: int) -> None:
        fresh = memoryview(chunk)[max(0, self._checked_bytes - offset) :]
        self._hash.update(fresh)
        self._inspector.feed(fresh)
        self._checked_bytes += len(fresh)
        if self._checked_bytes > self._record.size_bytes:
            raise self._wrong(f"more than {self._record.size_bytes} bytes")


def _taken(ahead: "queue.Queue[bytes | BaseException]") -> Iterator[bytes]:
    while item := ahead.get():
        if isinstance(item, BaseException):
            raise item
        yield item


def _empty(ahead: "queue.Queue[bytes | BaseException]") -> None:
    while not ahead.empty():
        ahead.get_nowait()
