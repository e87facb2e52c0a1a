"""From a complete archive on disk to its record in S3."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import FileIO
from time import perf_counter

from transition_wire.archive_name import archive_key, stored_key
from transition_wire.checkpoint_record import CheckpointRecord, StoredArchive
from transition_wire.node_facts import NodeFacts

from transition_agent import __version__
from transition_agent.archive import Archive
from transition_agent.content import ArchiveChanged, compression_of
from transition_agent.errors import AgentError
from transition_agent.multipart import (
    MultipartUpload,
    Part,
    SentPart,
    agrees,
    came_to_others,
    check_of,
)
from transition_agent.parts import PART_BYTES, ArchiveReader, Buffers
from transition_agent.store import CheckpointStore

PARTS_AT_ONCE = 8
"""Parts in memory and on their way, over all archives: 64 MiB. Fewer larger parts were as fast on
loopback; a long line needs the connections."""
_LAST_PARTS = 2.0
"""Seconds."""
_FILE_CLOCK = timedelta(milliseconds=100)
"""The kernel stamps files by a clock that moves on with its ticks: a file may be that much newer
than it says."""


class ReplacedArchive(AgentError):  # noqa: N818 - named for what it is, as the log shows it
    """S3 holds an archive of this name with other bytes; two checkpoints in one second do that."""


class Stopped(Exception):  # noqa: N818 - not an error: what was sent stays and is resumed
    """The agent is stopping."""


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    record: CheckpointRecord
    sent_bytes: int = 0
    """0 when S3 had it all already."""
    seconds: float = 0.0
    """0 when even the record was there."""
    hashing_seconds: float = 0.0
    """SHA-256 and CRC-32, while parts are on their way."""


class Uploader:
    """Uploads archives, several at once, all through one small set of buffers and senders."""

    def __init__(
        self,
        store: CheckpointStore,
        *,
        cluster: str,
        node_facts: Callable[[], NodeFacts],
        now: Callable[[], datetime],
        stop: threading.Event,
        compress: bool = True,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._node_facts = node_facts
        self._now = now
        self._stop = stop
        self._compress = compress
        self._buffers = Buffers(PARTS_AT_ONCE)
        self._senders = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="send")

    def close(self) -> None:
        """Without waiting: a part on a slow line takes longer than a service has to stop."""
        self._senders.shutdown(wait=False, cancel_futures=True)

    def key_of(self, archive: Archive) -> str:
        return archive_key(
            prefix=self._store.prefix,
            cluster=self._cluster,
            namespace=archive.name.namespace,
            pod=archive.name.pod,
            filename=archive.path.name,
        )

    def is_recorded(self, archive: Archive) -> bool:
        """Whether S3 has a record of an archive of this name and size, asked now."""
        record = self._store.find_record(self.key_of(archive))
        return record is not None and record.size_bytes == archive.state.size_bytes

    def upload(self, archive: Archive) -> Uploaded:
        """Make sure that S3 has the archive and its record; only what is missing is sent."""
        begun = perf_counter()
        record = self._store.find_record(self.key_of(archive))
        if record:
            self._check_same(archive, record)
            return Uploaded(record=record)
        with FileIO(archive.path) as file:
            reader = self._reader(file, archive=archive)
            reader.check_unchanged()
            sent_bytes = 0 if self._is_there(archive, reader) else self._send(archive, reader)
        return Uploaded(
            record=self._put_record(archive, reader),
            sent_bytes=sent_bytes,
            seconds=perf_counter() - begun,
            hashing_seconds=reader.hashing_seconds,
        )

    def abandon(self, archive: Archive) -> None:
        """The file went away before its upload was done: leave no parts of it behind."""
        key = self.key_of(archive)
        self._abort_uploads(key)
        self._abort_uploads(stored_key(key, compression="zstd"))

    def _reader(self, file: FileIO, *, archive: Archive) -> ArchiveReader:
        size_bytes = archive.state.size_bytes
        compression = compression_of(file, size_bytes=size_bytes) if self._compress else "none"
        return ArchiveReader(file, archive=archive, compression=compression)

    def _stored_key(self, archive: Archive, reader: ArchiveReader) -> str:
        return stored_key(self.key_of(archive), compression=reader.compression)

    def _abort_uploads(self, key: str) -> None:
        for upload in list(self._store.open_uploads(key)):
            if upload.key == key:
                self._store.abort(upload)

    def _check_same(self, archive: Archive, record: CheckpointRecord) -> None:
        """Raise `ReplacedArchive` if the record is of other bytes than the file has now."""
        if record.size_bytes != archive.state.size_bytes:
            raise self._replaced(archive)
        if archive.state.modified + _FILE_CLOCK < record.uploaded:
            return
        with FileIO(archive.path) as file:
            reader = ArchiveReader(file, archive=archive)
            self._read_through(reader)
            if reader.digest != record.digest:
                raise self._replaced(archive)

    def _is_there(self, archive: Archive, reader: ArchiveReader) -> bool:
        """Whether an agent was killed between the last part and the record."""
        stored = self._store.find_object(self._stored_key(archive, reader))
        if stored is None or stored.crc32 is None:
            return False
        if reader.compression == "none" and stored.size_bytes != archive.state.size_bytes:
            return False
        self._read_through(reader)
        if stored.size_bytes == reader.stored_bytes and reader.agrees(stored.crc32):
            return True
        reader.rewind()
        return False

    def _read_through(self, reader: ArchiveReader) -> None:
        for part in reader.parts(self._buffers):
            self._buffers.give(part.body)
        reader.check_unchanged()

    def _send(self, archive: Archive, reader: ArchiveReader) -> int:
        """Bytes sent; afterwards S3 holds what the reader read, and says so."""
        key = self._stored_key(archive, reader)
        if archive.state.size_bytes <= PART_BYTES:
            sent_bytes = self._send_whole(reader, key=key)
        else:
            sent_bytes = self._send_parts(reader, key=key)
        stored = self._store.find_object(key)
        if (
            stored is None
            or stored.size_bytes != reader.stored_bytes
            or (stored.crc32 is not None and not reader.agrees(stored.crc32))
        ):
            raise came_to_others(key, where=self._store.where)
        return sent_bytes

    def _send_whole(self, reader: ArchiveReader, *, key: str) -> int:
        sent_bytes = 0
        for part in reader.parts(self._buffers):  # exactly one
            try:
                reader.check_unchanged()
                check = check_of(part, crc32=self._store.abilities.crc32)
                etag = self._store.put_archive(key, part.body, check=check)
                if not agrees(etag, check=check):
                    raise came_to_others(key, where=self._store.where)
                sent_bytes += len(part.body)
            finally:
                self._buffers.give(part.body)
        return sent_bytes

    def _send_parts(self, reader: ArchiveReader, *, key: str) -> int:
        crc32 = self._store.abilities.crc32
        upload = MultipartUpload.resume_or_begin(self._store, key, crc32=crc32)
        try:
            parts, sent_bytes = self._send_missing(upload, reader)
            reader.check_unchanged()
        except ArchiveChanged:
            upload.abort()
            raise
        upload.complete(parts, crc32=reader.crc32)
        self._abort_uploads(key)  # one that was begun although the answer to that was lost
        return sent_bytes

    def _send_missing(
        self, upload: MultipartUpload, reader: ArchiveReader
    ) -> tuple[list[SentPart], int]:
        """All parts, and how many bytes of them had to be sent now."""
        parts: list[SentPart] = []
        sent_bytes = 0
        flying: set[Future[SentPart]] = set()
        try:
            for part in reader.parts(self._buffers):
                there = upload.find(part)
                if there:
                    self._buffers.give(part.body)
                    parts.append(there)
                    continue
                flying.add(self._start(upload, part))
                sent_bytes += len(part.body)
                landed, flying = wait(flying, timeout=0)
                parts += [future.result() for future in landed]
            parts += [future.result() for future in flying]
        except Exception:
            # A part that lands after an abort would be an orphan; when stopping, what lands in
            # time needs not to be sent again.
            wait(flying, timeout=_LAST_PARTS if self._stop.is_set() else None)
            raise
        return parts, sent_bytes

    def _start(self, upload: MultipartUpload, part: Part) -> Future[SentPart]:
        if self._stop.is_set():
            raise Stopped
        return self._senders.submit(self._send_part, upload, part)

    def _send_part(self, upload: MultipartUpload, part: Part) -> SentPart:
        try:
            return upload.send(part)
        finally:
            self._buffers.give(part.body)

    def _put_record(self, archive: Archive, reader: ArchiveReader) -> CheckpointRecord:
        record = CheckpointRecord(
            cluster=self._cluster,
            namespace=archive.name.namespace,
            pod=archive.name.pod,
            container=archive.name.container,
            filename=archive.path.name,
            bucket=self._store.bucket,
            key=self.key_of(archive),
            digest=reader.digest,
            size_bytes=archive.state.size_bytes,
            stored=StoredArchive(
                key=self._stored_key(archive, reader),
                digest=reader.stored_digest,
                size_bytes=reader.stored_bytes,
                compression=reader.compression,
            ),
            created=archive.name.created,
            uploaded=self._now(),
            base_image=archive.base_image,
            members=dict(archive.members),
            agent_version=__version__,
            node=self._node_facts(),
        )
        only_first = self._store.abilities.conditional_writes
        if self._store.put_record(record, only_first=only_first):
            return record
        earlier = self._store.find_record(record.key)
        if earlier is None or earlier.digest != record.digest:
            raise self._replaced(archive)
        return earlier

    def _replaced(self, archive: Archive) -> ReplacedArchive:
        return ReplacedArchive(
            f"another archive of this name is in S3 at {self.key_of(archive)}",
            where=str(archive.path),
            do="the one in S3 stays; take checkpoints of a container more than a second apart",
        )
