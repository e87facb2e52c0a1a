"""The OCI registry: archives become checkpoint images there, in one streamed pass."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from airflow.sdk import BaseHook
from transition_wire.archive_name import ArchiveName
from transition_wire.checkpoint_record import CheckpointRecord

from airflow_transition.core import image as oci
from airflow_transition.core.image import Descriptor
from airflow_transition.core.image_names import (
    image_repository,
    image_tag,
    repository_begin,
    repository_of,
    split_name,
)
from airflow_transition.core.remains import StoredImage, WorkloadPlace
from airflow_transition.hooks.archive_layer import ArchivePush
from airflow_transition.hooks.archive_stream import ArchiveSource
from airflow_transition.hooks.blob_upload import Blobs
from airflow_transition.hooks.connection import find_connection
from airflow_transition.hooks.registry_client import RegistryClient
from airflow_transition.hooks.registry_connection import RegistrySettings, registry_settings
from airflow_transition.hooks.registry_errors import (
    ImageDamagedError,
    ImageMissingError,
    RegistryConnectionError,
    RegistryDeniedError,
)
from airflow_transition.hooks.registry_images import RegistryImages
from airflow_transition.hooks.registry_manifests import Manifests

_API_HOSTS = {"docker.io": "registry-1.docker.io"}
_PLATFORMS_MAX = 40
_ANY_AGE = datetime.max.replace(tzinfo=UTC)
_OK, _MISSING = 200, 404


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
    """Of the stored archive, sent by this call: 0 where the registry had it already."""


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

    def check(self) -> None:
        """Raise if the registry does not answer, or refuses the connection's credentials."""
        scope = (self._settings.repository,)
        self._client.request("GET", "/v2/", repositories=scope, expected=(_OK,))

    def anybody_reads(self, reference: str | None) -> bool:
        """Whether the repository of an image (or the one of the connection) needs no password.

        A registry that hides from strangers what it does not have says no either way: without an
        image that is there, a no proves nothing.
        """
        repository = self._split(reference)[0] if reference else self._settings.repository
        settings = self._settings
        anybody = RegistryClient(settings.base_url, verify=settings.verify)
        try:
            anybody.request(
                "GET",
                f"/v2/{repository}/tags/list?n=1",
                repositories=(),
                scopes=(f"repository:{repository}:pull",),
                expected=(_OK, _MISSING),
            )
        except RegistryDeniedError:
            return False
        return True

    def require_deletions(self) -> None:
        """Raise if the registry deletes nothing, or not for the connection's user."""
        self._images.require_deletion(self._settings.repository)

    def push_checkpoint_image(
        self,
        *,
        record: CheckpointRecord,
        archive: ArchiveSource,
        mount_from: Sequence[str] = (),
    ) -> CheckpointImage:
        """Make the image of an archive, sending each of its bytes at most once.

        Nothing that refers to the archive is pushed before all of it passed and its digest is the
        recorded one. Calling it again finds what is there: the same archive gives the same image.
        `mount_from` names repositories of this registry that may hold the blob already.
        """
        repository = image_repository(record, repository=self._settings.repository)
        blobs, manifests = self._blobs(repository), Manifests(self._client, repository=repository)
        self.log.info("pushing %s (%d bytes)", record.stored.key, record.stored.size_bytes)
        pushed = ArchivePush(record, archive, blobs).run(mount_from=mount_from)
        base_image = self._pullable(pushed.config_dump, where=record.key)
        override = oci.override_layer(pushed.config_dump, base_image=base_image, where=record.key)
        layers = (pushed.layer, oci.tar_layer(override))
        config = oci.image_config(record=record, layers=layers)
        annotations = oci.image_annotations(
            record=record, config_dump=pushed.config_dump, base_image=base_image
        )
        manifest = oci.image_manifest(config=config, layers=layers, annotations=annotations)
        blobs.push(override, blob=layers[1].descriptor)
        blobs.push(config, blob=oci.describe(config, media_type=oci.CONFIG_TYPE))
        digest, tag = oci.digest_of(manifest), image_tag(record.created)
        manifests.put(manifest, tag=tag)
        reference = f"{self._client.host}/{repository}@{digest}"
        self.verify_image(reference)
        return CheckpointImage(
            reference=reference,
            tag=tag,
            base_image=base_image,
            layer=pushed.layer.descriptor,
            moved_bytes=pushed.moved_bytes,
        )

    def read_manifest(self, reference: str) -> dict[str, Any]:
        """Read the manifest of `host/repository@sha256:...`, its digest checked."""
        repository, digest = self._split(reference)
        return Manifests(self._client, repository=repository).read(digest).document

    def verify_image(self, reference: str) -> None:
        """Check that image and blobs are in the registry as they were pushed."""
        repository, digest = self._split(reference)
        manifest = Manifests(self._client, repository=repository).read(digest)
        blobs = self._blobs(repository)
        for blob in (manifest.config, *manifest.layers):
            if not blobs.has(blob):
                raise ImageMissingError(
                    "a blob of the image is missing or has the wrong size",
                    where=reference,
                    found=blob.digest,
                    do="build the image again",
                )

    def is_own(self, reference: str) -> bool:
        """Whether an image is in the registry of this connection."""
        return split_name(reference.partition("@")[0])[0] == self._client.host

    def require_deletion(self, reference: str) -> None:
        """Raise if the registry would not delete this image, which it is not asked to."""
        repository, _ = self._split(reference)
        self._images.require_deletion(repository)

    def delete_image(self, reference: str) -> bool:
        """Delete the image by its digest, tags included; False where it was gone already.

        Its blobs stay until the registry's own garbage collection runs.
        """
        repository, digest = self._split(reference)
        return self._images.delete(repository, digest=digest)

    def find_images(
        self, *, of: Collection[WorkloadPlace], older_than: datetime, known: Iterable[ArchiveName]
    ) -> list[StoredImage]:
        """Find checkpoint images of these workloads by their tags; untagged ones cannot be found.

        A registry that lists no repositories is asked for those of `known` checkpoints alone.
        """
        folder = self._settings.repository
        repositories = {repository_of(one, repository=folder) for one in known}
        listed = self._images.repositories()
        if listed is None:
            self.log.warning("the registry lists no repositories: looking at known ones alone")
        begins = tuple(
            repository_begin(place.namespace, pod=place.workload, repository=folder) for place in of
        )
        repositories |= {name for name in listed or () if name.startswith(begins)}
        found = self._images.older_than(older_than, repositories=sorted(repositories))
        return [image for image in found if image.place in of]

    def images_of(self, namespace: str, *, pod: str, container: str) -> list[StoredImage]:
        """All images of one container's checkpoints in any cluster, by their tags."""
        begin = repository_begin(namespace, pod=pod, repository=self._settings.repository)
        return list(self._images.older_than(_ANY_AGE, repositories=[f"{begin}-{container}"]))

    def resolve(self, image: str, *, image_id: str | None = None) -> str:
        """Give `host/repository@sha256:...` for a tagged image; other registries are asked openly.

        With `image_id` (the digest of its config) the tag must still lead to that very image.
        """
        host, repository, tag = split_name(image)
        manifests = Manifests(self._client_for(host), repository=repository)
        tagged = manifests.read(tag)
        if image_id is None:
            return f"{host}/{repository}@{tagged.digest}"
        platforms = [part.digest for part in tagged.platforms[:_PLATFORMS_MAX]]
        for manifest in map(manifests.read, platforms) if platforms else (tagged,):
            if manifest.config.digest == image_id:
                return f"{host}/{repository}@{manifest.digest}"
        raise ImageDamagedError(
            "the tag no longer leads to the image that the container was started from",
            where=image,
            found=f"not {image_id}",
            do="start containers from images by digest",
        )

    def _pullable(self, config_dump: bytes, *, where: str) -> str:
        """Name the base image so that the target's runtime can pull it."""
        base = oci.base_image(config_dump, where=where)
        return oci.digest_reference(base) or self.resolve(base.name, image_id=oci.image_id(base))

    def _blobs(self, repository: str) -> Blobs:
        return Blobs(self._client, repository=repository, patience=self.patience)

    def _split(self, reference: str) -> tuple[str, str]:
        name, _, digest = reference.partition("@")
        host, repository, _ = split_name(name)
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
    def _images(self) -> RegistryImages:
        return RegistryImages(self._client, folder=self._settings.repository)

    @cached_property
    def _settings(self) -> RegistrySettings:
        return registry_settings(find_connection(self.registry_conn_id, kind="docker"))

    @cached_property
    def _client(self) -> RegistryClient:
        settings = self._settings
        return RegistryClient(
            settings.base_url,
            username=settings.username,
            password=settings.password,
            verify=settings.verify,
        )
