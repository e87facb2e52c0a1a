"""An archive as the layer of an image in the registry: found there, mounted, or streamed once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from transition_wire.checkpoint_record import CheckpointRecord

from airflow_transition.core.checkpoint import CONFIG_DUMP, Limits, read_archive
from airflow_transition.core.image import (
    ZSTD_LAYER_TYPE,
    Layer,
    archive_layer,
    image_tag,
)
from airflow_transition.hooks.archive_stream import ArchiveSource, ArchiveStream
from airflow_transition.hooks.blob_upload import Blobs
from airflow_transition.hooks.registry_errors import ImageDamagedError, ImageMissingError
from airflow_transition.hooks.registry_manifests import Manifests
from airflow_transition.hooks.zstd_stream import ZstdStream, compression_pays


@dataclass(frozen=True)
class PushedArchive:
    """An archive that is in the registry now."""

    layer: Layer
    config_dump: bytes
    moved_bytes: int
    """Of the archive; 0 where the registry had it."""


@dataclass(frozen=True)
class ArchivePush:
    """One archive on its way into one repository."""

    record: CheckpointRecord
    archive: ArchiveSource
    blobs: Blobs
    manifests: Manifests

    def run(self, *, compress: bool | None, mount_from: Sequence[str]) -> PushedArchive:
        """Bring the archive into the registry; `compress` None lets samples of it decide."""
        plain = archive_layer(self.record)
        if not compress and self._is_there(plain, mount_from=mount_from):
            return self._found(plain)
        if compress is None:
            compress = compression_pays(self.archive, size_bytes=self.record.size_bytes)
        return self._compressed() if compress else self._plain(plain)

    def _is_there(self, layer: Layer, *, mount_from: Sequence[str]) -> bool:
        return self.blobs.has(layer.descriptor) or any(
            self.blobs.mount(layer.descriptor, source=source) for source in mount_from
        )

    def _plain(self, layer: Layer) -> PushedArchive:
        stream = ArchiveStream(self.archive, record=self.record)
        size_bytes = self.record.size_bytes
        self.blobs.stream(stream.chunks, size_bytes=size_bytes, digest=stream.digest)
        return PushedArchive(layer, stream.finish().config_dump, size_bytes)

    def _compressed(self) -> PushedArchive:
        if (known := self._compressed_before()) is not None:
            return self._found(known)
        stream = ArchiveStream(self.archive, record=self.record)
        compressed = ZstdStream(stream)
        self.blobs.stream(compressed.chunks, size_bytes=None, digest=compressed.digest)
        layer = Layer(compressed.descriptor(), self.record.digest)
        return PushedArchive(layer, stream.finish().config_dump, self.record.size_bytes)

    def _compressed_before(self) -> Layer | None:
        """Find the layer that an earlier call compressed: by its tag, proven by its config.

        Runtimes check the diff id when they unpack, so a layer of other content never restores.
        """
        try:
            manifest = self.manifests.read(image_tag(self.record.created))
            config = json.loads(self.blobs.read(manifest.config.digest))
            layer = Layer(manifest.layers[0], config["rootfs"]["diff_ids"][0])
        except (ImageMissingError, ImageDamagedError, LookupError, TypeError, ValueError):
            return None  # none, or not one of ours: it is made anew
        proven = layer.diff_id == self.record.digest
        zstd = layer.descriptor.media_type == ZSTD_LAYER_TYPE
        return layer if proven and zstd and self.blobs.has(layer.descriptor) else None

    def _found(self, layer: Layer) -> PushedArchive:
        """Read one document of the archive; its other bytes need not pass again."""
        member = self.record.members.get(CONFIG_DUMP)
        if member is None or member.size_bytes > Limits().document_bytes:
            self.archive.seek(0)
            config_dump = read_archive(self.archive, where=self.record.key).config_dump
            return PushedArchive(layer, config_dump, 0)
        self.archive.seek(member.offset_bytes)
        content = bytearray()
        while len(content) < member.size_bytes and (
            chunk := self.archive.read(member.size_bytes - len(content))
        ):
            content += chunk
        return PushedArchive(layer, bytes(content), 0)
