"""The bytes of an archive on their way: read ahead in a thread, and checked once."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from transition_wire.checkpoint_record import CheckpointRecord

from airflow_transition.core.checkpoint import CheckpointArchive
from airflow_transition.hooks.archive_check import ArchiveCheck

_CHUNK_BYTES = 1 << 18
_CHUNKS_AHEAD = 4


class ArchiveSource(Protocol):
    """What an archive is read from, as it is stored: an `ArchiveReader`, or an open file."""

    def read(self, size: int, /) -> bytes:
        """Give up to `size` bytes; none at the end."""
        ...

    def seek(self, offset: int, /) -> int:
        """Go to a byte of the archive."""
        ...


class ArchiveStream:
    """Gives the stored bytes from any offset; each byte is checked the first time it passes.

    A push that starts again, wholly or from the middle, so never hashes twice.
    """

    def __init__(self, source: ArchiveSource, *, record: CheckpointRecord) -> None:
        self._source = source
        self._record = record
        self._check = ArchiveCheck(record)

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
        return self._check.finish()

    def digest(self) -> str:
        """Give the stored object's digest, once all of it passed and is good."""
        self.finish()
        return self._record.stored.digest

    def _read_ahead(
        self,
        offset: int,
        ahead: "queue.Queue[bytes | BaseException]",
        stopped: threading.Event,
    ) -> None:
        try:
            self._source.seek(offset)
            while not stopped.is_set() and (chunk := self._source.read(_CHUNK_BYTES)):
                self._check.feed(memoryview(chunk)[max(0, self._check.passed_bytes - offset) :])
                offset += len(chunk)
                ahead.put(chunk)
            complete = stopped.is_set() or offset == self._record.stored.size_bytes
            ahead.put(b"" if complete else self._check.wrong(f"it ends after {offset} bytes"))
        except BaseException as error:  # noqa: BLE001  it is raised again where the bytes are used
            ahead.put(error)


def _taken(ahead: "queue.Queue[bytes | BaseException]") -> Iterator[bytes]:
    while item := ahead.get():
        if isinstance(item, BaseException):
            raise item
        yield item


def _empty(ahead: "queue.Queue[bytes | BaseException]") -> None:
    while not ahead.empty():
        ahead.get_nowait()
