"""An archive as the layer of an image in the registry: found there, mounted, or streamed once."""

from collections.abc import Sequence
from dataclasses import dataclass

from transition_wire.checkpoint_record import CheckpointRecord

from airflow_transition.core.checkpoint import CONFIG_DUMP, CheckpointArchive, Limits
from airflow_transition.core.image import Layer, archive_layer
from airflow_transition.hooks.archive_stream import ArchiveSource, ArchiveStream
from airflow_transition.hooks.blob_upload import Blobs


@dataclass(frozen=True)
class PushedArchive:
    """An archive that is in the registry now."""

    layer: Layer
    config_dump: bytes
    moved_bytes: int
    """Of the stored archive; 0 where the registry had it."""


@dataclass(frozen=True)
class ArchivePush:
    """One archive on its way into one repository."""

    record: CheckpointRecord
    archive: ArchiveSource
    blobs: Blobs

    def run(self, *, mount_from: Sequence[str]) -> PushedArchive:
        """Bring the stored bytes into the registry as they are, unless it has them."""
        layer = archive_layer(self.record)
        if self._is_there(layer, mount_from=mount_from):
            return PushedArchive(layer, self._config_dump(), 0)
        stream = ArchiveStream(self.archive, record=self.record)
        size_bytes = layer.descriptor.size_bytes
        self.blobs.stream(stream.chunks, size_bytes=size_bytes, digest=stream.digest)
        return PushedArchive(layer, stream.finish().config_dump, size_bytes)

    def _is_there(self, layer: Layer, *, mount_from: Sequence[str]) -> bool:
        return self.blobs.has(layer.descriptor) or any(
            self.blobs.mount(layer.descriptor, source=source) for source in mount_from
        )

    def _config_dump(self) -> bytes:
        """Read one document of the archive; what is compressed can only be read through."""
        member = self.record.members.get(CONFIG_DUMP)
        compressed = self.record.stored.compression != "none"
        if compressed or member is None or member.size_bytes > Limits().document_bytes:
            return self._read_through().config_dump
        self.archive.seek(member.offset_bytes)
        content = bytearray()
        while len(content) < member.size_bytes and (
            chunk := self.archive.read(member.size_bytes - len(content))
        ):
            content += chunk
        return bytes(content)

    def _read_through(self) -> CheckpointArchive:
        stream = ArchiveStream(self.archive, record=self.record)
        with stream.chunks() as chunks:
            for _ in chunks:
                pass
        return stream.finish()
