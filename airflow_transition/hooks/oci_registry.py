"""The OCI registry: archives become checkpoint images there, in one streamed pass."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from airflow.sdk import BaseHook
from transition_wire.checkpoint_record import CheckpointRecord

from airflow_transition.core import image as oci
from airflow_transition.core.checkpoint import CONFIG_DUMP, Limits, read_archive
from airflow_transition.core.image import Descriptor, Layer
from airflow_transition.hooks.archive_stream import ArchiveSource, ArchiveStream
from airflow_transition.hooks.blob_upload import Blobs
from airflow_transition.hooks.registry_client import RegistryClient
from airflow_transition.hooks.registry_connection import RegistrySettings, registry_settings
from airflow_transition.hooks.registry_errors import (
    ImageDamagedError,
    ImageMissingError,
    RegistryConnectionError,
)
from airflow_transition.hooks.zstd_stream import ZstdStream, compression_pays

_OK, _CREATED = 200, 201
_API_HOSTS = {"docker.io": "registry-1.docker.io"}
_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_READABLE_TYPES = ", ".join(
    (oci.MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json", *_INDEX_TYPES)
)


@dataclass(frozen=True)
class CheckpointImage:
    """A checkpoint image that was pushed and read back."""

    reference: str
    """`host/repository@sha256:...`"""
    tag: str
    """For people; nothing refers to it."""
    base_image: str
    """What the target pulls first, by digest."""
    layer: Descriptor
    """The archive, as it lies in the registry."""
    moved_bytes: int
    """Of the archive, sent by this call: 0 where the registry had it already."""


class OciRegistryHook(BaseHook):
    """Speaks to one registry, named by a `docker` connection.

    Host (`https://registry.example:5000`), login, password, and in the extra `ca_file` (path of a
    private CA), `insecure` (true: no TLS, or TLS unchecked) and `repository` (where images go).
    """

    def __init__(
        self,
        registry_conn_id: str = "transition_registry",
        *,
        patience: timedelta = timedelta(seconds=60),
    ) -> None:
        super().__init__()
        self.registry_conn_id = registry_conn_id
        self.patience = patience

    def push_checkpoint_image(
        self,
        *,
        record: CheckpointRecord,
        archive: ArchiveSource,
        compress: bool | None = None,
        mount_from: Sequence[str] = (),
    ) -> CheckpointImage:
        """Make the image of an archive, sending each of its bytes at most once.

        Nothing that refers to the archive is pushed before all of it passed and its digest is the
        recorded one. Calling it again finds what is there: the same archive gives the same image.
        `compress` (zstd) is decided by samples of the archive where it is None.
        `mount_from` names repositories of this registry that may hold the blob already.
        """
        repository = oci.image_repository(record, repository=self._settings.repository)
        blobs = Blobs(self._client, repository=repository, patience=self.patience)
        layer, config_dump, moved = self._archive_layer(
            record, archive, blobs=blobs, compress=compress, mount_from=mount_from
        )
        base_image = self._pullable(config_dump, record=record)
        override = oci.override_layer(config_dump, base_image=base_image, where=record.key)
        layers = (layer, oci.tar_layer(override))
        config = oci.image_config(record=record, layers=layers)
        annotations = oci.image_annotations(
            record=record, config_dump=config_dump, base_image=base_image
        )
        manifest = oci.image_manifest(config=config, layers=layers, annotations=annotations)
        blobs.push(override, blob=layers[1].descriptor)
        blobs.push(config, blob=oci.describe(config, media_type=oci.CONFIG_TYPE))
        tag = oci.image_tag(record.created)
        digest = oci.digest_of(manifest)
        self._put_manifest(manifest, repository=repository, tags=(digest, tag))
        reference = f"{self._client.host}/{repository}@{digest}"
        self.verify_image(reference)
        return CheckpointImage(
            reference=reference,
            tag=tag,
            base_image=base_image,
            layer=layer.descriptor,
            moved_bytes=moved,
        )

    def read_manifest(self, reference: str) -> dict[str, Any]:
        """Read the manifest of `host/repository@sha256:...`, its digest checked."""
        repository, digest = self._split(reference)
        answer = self._get_manifest(repository, digest)
        found = oci.digest_of(answer)
        if found != digest:
            raise ImageDamagedError(
                "the registry gives another manifest than the one asked for",
                where=reference,
                found=found,
                do="do not use this registry before it is repaired; build the image again",
            )
        return self._parsed(answer, where=reference)

    def verify_image(self, reference: str) -> None:
        """Check that image and blobs are in the registry as they were pushed."""
        repository, _ = self._split(reference)
        manifest = self.read_manifest(reference)
        blobs = Blobs(self._client, repository=repository, patience=self.patience)
        for part in (manifest["config"], *manifest["layers"]):
            blob = Descriptor(part["mediaType"], part["digest"], part["size"])
            if not blobs.has(blob):
                raise ImageMissingError(
                    "a blob of the image is missing or has the wrong size",
                    where=reference,
                    found=blob.digest,
                    do="build the image again",
                )

    def resolve(self, image: str, *, image_id: str | None = None) -> str:
        """Give `host/repository@sha256:...` for a tagged image; other registries are asked openly.

        With `image_id` (the digest of its config) the tag must still point at that very image.
        """
        host, repository, tag = oci.split_name(image)
        manifest = self._get_manifest(repository, tag, client=self._client_for(host))
        content = self._parsed(manifest, where=image)
        if image_id is not None and content.get("config", {}).get("digest") != image_id:
            raise ImageDamagedError(
                "the tag no longer points at the image that the container was started from",
                where=image,
                found=f"not {image_id}",
                do="start containers from images by digest",
            )
        return f"{host}/{repository}@{oci.digest_of(manifest)}"

    def _archive_layer(
        self,
        record: CheckpointRecord,
        archive: ArchiveSource,
        *,
        blobs: Blobs,
        compress: bool | None,
        mount_from: Sequence[str],
    ) -> tuple[Layer, bytes, int]:
        """Bring the archive into the registry; gives its layer, its config.dump, bytes moved."""
        layer = oci.archive_layer(record)
        if compress is None:
            compress = compression_pays(archive, size_bytes=record.size_bytes)
        if compress:
            return self._compressed_layer(record, archive, blobs=blobs)
        if blobs.has(layer.descriptor) or any(
            blobs.mount(layer.descriptor, source=source) for source in mount_from
        ):
            return layer, _config_dump(archive, record=record), 0
        stream = ArchiveStream(archive, record=record)
        self.log.info("pushing %s (%d bytes)", record.key, record.size_bytes)
        blobs.stream(stream.chunks, size_bytes=record.size_bytes, digest=stream.digest)
        return layer, stream.finish().config_dump, record.size_bytes

    def _compressed_layer(
        self, record: CheckpointRecord, archive: ArchiveSource, *, blobs: Blobs
    ) -> tuple[Layer, bytes, int]:
        if (known := self._compressed_before(record, blobs=blobs)) is not None:
            return known, _config_dump(archive, record=record), 0
        stream = ArchiveStream(archive, record=record)
        compressed = ZstdStream(stream)
        self.log.info("pushing %s (%d bytes), compressed", record.key, record.size_bytes)
        blobs.stream(compressed.chunks, size_bytes=None, digest=compressed.digest)
        layer = Layer(compressed.descriptor(), record.digest)
        return layer, stream.finish().config_dump, record.size_bytes

    def _compressed_before(self, record: CheckpointRecord, *, blobs: Blobs) -> Layer | None:
        """Find the layer that an earlier call compressed: by its tag, proven by its config.

        Runtimes check the diff id when they unpack, so a layer of other content never restores.
        """
        repository = oci.image_repository(record, repository=self._settings.repository)
        try:
            found = self._get_manifest(repository, oci.image_tag(record.created))
            first = self._parsed(found, where=repository)["layers"][0]
            config = json.loads(
                blobs.read(self._parsed(found, where=repository)["config"]["digest"])
            )
            layer = Layer(
                Descriptor(first["mediaType"], first["digest"], first["size"]),
                config["rootfs"]["diff_ids"][0],
            )
        except (ImageMissingError, KeyError, IndexError, ValueError):
            return None
        proven = layer.diff_id == record.digest
        zstd = layer.descriptor.media_type == oci.ZSTD_LAYER_TYPE
        return layer if proven and zstd and blobs.has(layer.descriptor) else None

    def _pullable(self, config_dump: bytes, *, record: CheckpointRecord) -> str:
        """Name the base image so that the target's runtime can pull it."""
        base = oci.base_image(config_dump, where=record.key)
        return oci.digest_reference(base) or self.resolve(base.name, image_id=oci.image_id(base))

    def _put_manifest(self, manifest: bytes, *, repository: str, tags: Sequence[str]) -> None:
        for tag in tags:
            self._client.request(
                "PUT",
                f"/v2/{repository}/manifests/{tag}",
                repositories=(repository,),
                expected=(_CREATED,),
                headers={"Content-Type": oci.MANIFEST_TYPE},
                body=manifest,
            )

    def _get_manifest(
        self, repository: str, reference: str, *, client: RegistryClient | None = None
    ) -> bytes:
        answer = (client or self._client).request(
            "GET",
            f"/v2/{repository}/manifests/{reference}",
            repositories=(repository,),
            expected=(_OK,),
            headers={"Accept": _READABLE_TYPES},
        )
        return answer.content

    def _parsed(self, manifest: bytes, *, where: str) -> dict[str, Any]:
        try:
            content = json.loads(manifest)
        except ValueError as error:
            raise self._damaged(where) from error
        if not isinstance(content, dict) or content.get("schemaVersion") != 2:  # noqa: PLR2004
            raise self._damaged(where)
        return content

    def _damaged(self, where: str) -> ImageDamagedError:
        return ImageDamagedError(
            "the registry's answer is no OCI manifest", where=where, do="build the image again"
        )

    def _split(self, reference: str) -> tuple[str, str]:
        name, _, digest = reference.partition("@")
        host, repository, _ = oci.split_name(name)
        if host != self._client.host:
            raise RegistryConnectionError(
                "the image is not in the registry of this connection",
                where=reference,
                found=f"connection {self.registry_conn_id} is for {self._client.host}",
                do="give the connection of the registry that has it",
            )
        return repository, digest

    def _client_for(self, host: str) -> RegistryClient:
        if host == self._client.host:
            return self._client
        return RegistryClient(f"https://{_API_HOSTS.get(host, host)}")

    @cached_property
    def _settings(self) -> RegistrySettings:
        return registry_settings(self.get_connection(self.registry_conn_id))

    @cached_property
    def _client(self) -> RegistryClient:
        settings = self._settings
        return RegistryClient(
            settings.base_url,
            username=settings.username,
            password=settings.password,
            verify=settings.verify,
        )


def _config_dump(archive: ArchiveSource, *, record: CheckpointRecord) -> bytes:
    """Read one document of an archive whose bytes need not pass again."""
    member = record.members.get(CONFIG_DUMP)
    if member is None or member.size_bytes > Limits().document_bytes:
        archive.seek(0)
        return read_archive(archive, where=record.key).config_dump
    archive.seek(member.offset_bytes)
    content = bytearray()
    while len(content) < member.size_bytes and (
        chunk := archive.read(member.size_bytes - len(content))
    ):
        content += chunk
    return bytes(content)
