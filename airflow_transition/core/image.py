"""A checkpoint archive as an OCI image: all the small documents, as pure functions.

The archive itself is the first layer, byte for byte as it is stored. A second, tiny layer replaces
its `config.dump`, so that the base image is named in a way that the target can pull.
"""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import ValidationError
from transition_wire.archive_name import ArchiveName
from transition_wire.checkpoint_record import BaseImage, CheckpointRecord

from airflow_transition.core.checkpoint import CONFIG_DUMP
from airflow_transition.core.errors import PermanentError

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
ZSTD_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+zstd"

ARCHIVE_ANNOTATION = "kr.ac.ssu.dcnlab.transition.archive.digest"
"""SHA-256 of the archive that an image was made of."""

CLUSTER_ANNOTATION = "kr.ac.ssu.dcnlab.transition.cluster"
CONTAINER_ANNOTATION = "org.criu.checkpoint.container.name"
POD_ANNOTATION = "org.criu.checkpoint.pod.name"
NAMESPACE_ANNOTATION = "org.criu.checkpoint.pod.namespace"
CREATED_ANNOTATION = "org.opencontainers.image.created"
"""With the three before it, the checkpoint that an image was made of."""

_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_DIGEST_REFERENCE = re.compile(r"(?P<name>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")
_IMAGE_ID = re.compile(r"(?:sha256:)?(?P<hex>[0-9a-f]{64})")


class UnusableConfigError(PermanentError):
    """The archive's `config.dump` does not say what a restore needs."""


@dataclass(frozen=True)
class Descriptor:
    """How OCI points at a blob."""

    media_type: str
    digest: str
    size_bytes: int

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read a descriptor from a manifest."""
        return cls(document["mediaType"], document["digest"], document["size"])

    def document(self) -> dict[str, Any]:
        """Give the descriptor as it stands in a manifest."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}


@dataclass(frozen=True)
class Layer:
    """A blob and the digest of what is in it once it is uncompressed."""

    descriptor: Descriptor
    diff_id: str


def digest_of(content: bytes) -> str:
    """Name content the way OCI does."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def describe(content: bytes, *, media_type: str) -> Descriptor:
    """Point at a small blob that is in memory."""
    return Descriptor(media_type, digest_of(content), len(content))


def archive_layer(record: CheckpointRecord) -> Layer:
    """Give the layer that the archive is, known before a byte of it is read."""
    stored = record.stored
    media_type = ZSTD_LAYER_TYPE if stored.compression == "zstd" else LAYER_TYPE
    return Layer(Descriptor(media_type, stored.digest, stored.size_bytes), record.digest)


def base_image(config_dump: bytes, *, where: str) -> BaseImage:
    """Read which image the container was started from; containerd, CRI-O and Podman differ."""
    config = _folded(_config(config_dump, where=where))
    name = config.get("rootfsimagename") or config.get("rootfsimage")
    reference = config.get("rootfsimageref") or config.get("rootfsimageid")
    if not isinstance(name, str) or not isinstance(reference, str) or not name or not reference:
        raise UnusableConfigError(
            "config.dump does not name the container's base image",
            where=where,
            found=f"name {name!r}, reference {reference!r}"[:200],
            do="start the container from an image by name and checkpoint it again",
        )
    return BaseImage(name=name, reference=reference)


def digest_reference(image: BaseImage) -> str | None:
    """Give a reference that the target can pull, if the archive holds one.

    None for a bare image id: it is the digest of a config, which no registry serves as an image.
    """
    for candidate in (image.reference, image.name):
        found = _DIGEST_REFERENCE.fullmatch(candidate)
        if found is not None:
            return candidate
    return None


def image_id(image: BaseImage) -> str | None:
    """Give the digest of the image's config where the archive names the image by its id."""
    found = _IMAGE_ID.fullmatch(image.reference)
    return f"sha256:{found['hex']}" if found else None


def override_layer(config_dump: bytes, *, base_image: str, where: str) -> bytes:
    """Make the tar that holds only a `config.dump` naming its base image as `base_image`.

    The same input gives the same bytes, so that a repeated build gives the same image.
    """
    config = _config(config_dump, where=where)
    names = {"rootfsimageref": "rootfsImageRef", "rootfsimagename": "rootfsImageName"}
    kept = {key: value for key, value in config.items() if key.lower() not in names}
    kept |= {name: base_image for lower, name in names.items() if lower in _folded(config)}
    member = tarfile.TarInfo(CONFIG_DUMP)
    content = json.dumps(kept, separators=(",", ":")).encode()
    member.size = len(content)
    member.mode = 0o600
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as writer:
        writer.addfile(member, io.BytesIO(content))
    return tar.getvalue()


def tar_layer(content: bytes) -> Layer:
    """Point at a small uncompressed layer."""
    descriptor = describe(content, media_type=LAYER_TYPE)
    return Layer(descriptor, descriptor.digest)


def image_config(*, record: CheckpointRecord, layers: Sequence[Layer]) -> bytes:
    """Make the image's config: platform and diff ids; nothing in it is ever run."""
    machine = record.node.architecture
    return _document(
        {
            "created": _rfc3339(record.created),
            "architecture": _GO_ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        }
    )


def image_manifest(
    *, config: bytes, layers: Sequence[Layer], annotations: Mapping[str, str]
) -> bytes:
    """Make the manifest: plain OCI, because Docker's has no annotations."""
    return _document(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": describe(config, media_type=CONFIG_TYPE).document(),
            "layers": [layer.descriptor.document() for layer in layers],
            "annotations": dict(sorted(annotations.items())),
        }
    )


def image_annotations(
    *, record: CheckpointRecord, config_dump: bytes, base_image: str
) -> dict[str, str]:
    """Say what each runtime looks for before it restores, and what a person wants to know."""
    config = _folded(_config(config_dump, where=record.key))
    node = record.node
    name, _, digest = base_image.partition("@")
    image = str(config.get("rootfsimage") or config.get("rawimagename") or record.base_image.name)
    runtime = str(config.get("runtime") or "runc")
    architecture = _GO_ARCHITECTURES.get(node.architecture, node.architecture)
    known = {
        CONTAINER_ANNOTATION: record.container,
        POD_ANNOTATION: record.pod,
        NAMESPACE_ANNOTATION: record.namespace,
        "org.criu.checkpoint.rootfsImageName": base_image,
        "org.criu.checkpoint.rootfsImageID": base_image,
        "org.criu.checkpoint.rootfsImageUserRequested": image,
        "org.criu.checkpoint.runtime.name": runtime,
        "io.kubernetes.cri-o.annotations.checkpoint.name": record.container,
        "io.podman.annotations.checkpoint.name": str(config.get("name") or record.container),
        "io.podman.annotations.checkpoint.rawImageName": image,
        "io.podman.annotations.checkpoint.rootfsImageName": base_image,
        "io.podman.annotations.checkpoint.rootfsImageID": str(config.get("rootfsimageid") or ""),
        "io.podman.annotations.checkpoint.runtime.name": _oci_runtime(runtime),
        "io.podman.annotations.checkpoint.runtime.version": node.runc or "",
        "io.podman.annotations.checkpoint.podman.version": node.podman or "",
        "io.podman.annotations.checkpoint.criu.version": node.criu or "",
        "io.podman.annotations.checkpoint.host.arch": architecture,
        "io.podman.annotations.checkpoint.host.kernel": node.kernel,
        "io.podman.annotations.checkpoint.cgroups.version": f"v{node.cgroup_version}",
        CREATED_ANNOTATION: _rfc3339(record.created),
        "org.opencontainers.image.base.name": name,
        "org.opencontainers.image.base.digest": digest,
        ARCHIVE_ANNOTATION: record.digest,
        CLUSTER_ANNOTATION: record.cluster,
    }
    return {key: value for key, value in known.items() if value}


def checkpoint_of(annotations: Mapping[str, Any]) -> tuple[str, ArchiveName] | None:
    """Cluster and checkpoint that an image was made of; None where it is no image of ours."""
    try:
        return str(annotations[CLUSTER_ANNOTATION]), ArchiveName(
            pod=annotations[POD_ANNOTATION],
            namespace=annotations[NAMESPACE_ANNOTATION],
            container=annotations[CONTAINER_ANNOTATION],
            created=annotations[CREATED_ANNOTATION],
        )
    except (KeyError, ValidationError):
        return None


def _config(config_dump: bytes, *, where: str) -> dict[str, Any]:
    try:
        config = json.loads(config_dump)
    except (ValueError, RecursionError) as error:
        raise _not_json(where) from error
    if not isinstance(config, dict):
        raise _not_json(where)
    return config


def _not_json(where: str) -> UnusableConfigError:
    return UnusableConfigError(
        "config.dump is not a JSON object", where=where, do="take a new checkpoint"
    )


def _folded(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fold the keys' case: Go reads JSON so, and any spelling would win over ours."""
    return {key.lower(): value for key, value in config.items()}


def _oci_runtime(runtime: str) -> str:
    """Give the OCI runtime's own name (containerd says `io.containerd.runc.v2`).

    Podman restores only what the runtime that it uses itself has dumped.
    """
    return "crun" if "crun" in runtime else "runc"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _document(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
