"""What the node's runtime asks the lab's registry itself: manifests, and checkpoint layers.

`podman pull` writes a checkpoint's layer twice and unpacks it besides: 12 s for 1 GiB. Here it is
streamed once into the archive that `podman container restore --import` takes.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import requests
from backports import zstd
from urllib3.exceptions import HTTPError

from lab.api.commands import CommandFailedError
from lab.api.kinds import Object
from lab.base_image import MANIFEST_TYPE
from lab.description import LabDescription

CHECKPOINT_ANNOTATIONS = (
    "org.criu.checkpoint.container.name",
    "io.podman.annotations.checkpoint.name",
    "io.kubernetes.cri-o.annotations.checkpoint.name",
)
"""Any of these on a manifest makes its image a checkpoint image."""

_SECONDS = 30
_CHUNK_BYTES = 1 << 20
_LARGEST_MANIFEST_BYTES = 1 << 20
_LARGEST_SMALL_LAYER_BYTES = 16 << 20


@dataclass(frozen=True)
class CheckpointImage:
    """A checkpoint image in the registry; the first layer is the archive, the rest override it."""

    repository: str
    layers: tuple[Object, ...]


class Registry:
    """The lab's registry, with the node's login."""

    def __init__(self, *, address: str, username: str, password: str, ca_file: Path) -> None:
        self._address = address
        self._session = requests.Session()
        self._session.auth = (username, password)
        self._session.verify = str(ca_file)
        self._session.trust_env = False

    @classmethod
    def of(cls, lab: LabDescription) -> Self:
        return cls(
            address=lab.registry.address,
            username=lab.registry.username,
            password=lab.registry.password,
            ca_file=lab.ca_file,
        )

    def checkpoint_image(self, reference: str) -> CheckpointImage | None:
        """The image behind `reference` if it is a checkpoint; None for any other image."""
        host, _, rest = reference.partition("/")
        if host != self._address:
            return None
        repository, separator, version = rest.partition("@")
        if not separator:
            repository, _, version = rest.partition(":")
        with self._get(f"{repository}/manifests/{version or 'latest'}") as answer:
            content = answer.raw.read(_LARGEST_MANIFEST_BYTES)
        if separator:
            _check(content_digest=hashlib.sha256(content).hexdigest(), digest=version)
        manifest = json.loads(content)
        annotations = manifest.get("annotations") or {}
        if not any(name in annotations for name in CHECKPOINT_ANNOTATIONS):
            return None
        return CheckpointImage(repository, tuple(manifest["layers"]))

    def base_image(self, image: CheckpointImage) -> str | None:
        """The image that the container was started from, if a small upper layer names it."""
        for layer in reversed(image.layers[1:]):
            with tarfile.open(fileobj=io.BytesIO(self._small(image, layer=layer))) as tar:
                if "config.dump" in tar.getnames() and (file := tar.extractfile("config.dump")):
                    name = json.load(file).get("rootfsImageName")
                    return str(name) if name else None
        return None

    def archive(self, image: CheckpointImage, *, into: Path) -> None:
        """Write the archive that the layers make together; it appears whole or not at all."""
        into.parent.mkdir(parents=True, exist_ok=True)
        partial = into.with_suffix(".partial")
        with partial.open("wb") as out:
            for chunk in self._content(image, layer=image.layers[0]):
                out.write(chunk)
        for layer in image.layers[1:]:
            _overlay(partial, upper=self._small(image, layer=layer))
        partial.replace(into)

    def _small(self, image: CheckpointImage, *, layer: Object) -> bytes:
        content = bytearray()
        for chunk in self._content(image, layer=layer):
            content += chunk
            if len(content) > _LARGEST_SMALL_LAYER_BYTES:
                raise CommandFailedError(f"{layer['digest']}: too large for an upper layer")
        return bytes(content)

    def _content(self, image: CheckpointImage, *, layer: Object) -> Iterator[bytes]:
        """A layer's tar, checked against its digest before the last piece is out."""
        with self._get(f"{image.repository}/blobs/{layer['digest']}") as answer:
            source = _Hashed(answer.raw)
            try:
                with _opened(source, media_type=layer["mediaType"]) as tar:
                    while chunk := tar.read(_CHUNK_BYTES):
                        yield chunk
                while source.read(_CHUNK_BYTES):
                    pass
            except (HTTPError, OSError, EOFError, zstd.ZstdError) as error:
                raise CommandFailedError(f"failed to pull {layer['digest']}: {error}") from error
        _check(content_digest=source.digest, digest=layer["digest"])

    def _get(self, path: str) -> requests.Response:
        try:
            answer = self._session.get(
                f"https://{self._address}/v2/{path}",
                headers={"Accept": MANIFEST_TYPE},
                stream=True,
                timeout=_SECONDS,
            )
        except requests.RequestException as error:
            raise CommandFailedError(f"failed to pull {path}: {error}") from error
        if answer.status_code != requests.codes.ok:
            with answer:
                said = answer.text[:300].strip()
            raise CommandFailedError(f"failed to pull {path}: {answer.status_code} {said}")
        return answer


class _Hashed(io.RawIOBase):
    """A stream that remembers the digest of what was read from it."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self._source = source
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._source.read(size)
        self._hash.update(content)
        return content

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def _opened(source: _Hashed, *, media_type: str) -> IO[bytes]:
    if media_type.endswith("zstd"):
        return zstd.ZstdFile(source)  # type: ignore[return-value]  # reads only
    if media_type.endswith("gzip"):
        return gzip.GzipFile(fileobj=source)  # type: ignore[return-value]  # reads only
    return source  # type: ignore[return-value]  # the same methods


def _overlay(archive: Path, *, upper: bytes) -> None:
    """Add the members of `upper` behind the archive's own, where they win."""
    with (
        tarfile.open(archive, "a") as tar,
        tarfile.open(fileobj=io.BytesIO(upper)) as members,
    ):
        for member in members:
            tar.addfile(member, members.extractfile(member) if member.isreg() else None)


def _check(*, content_digest: str, digest: str) -> None:
    if digest != f"sha256:{content_digest}":
        raise CommandFailedError(f"{digest}: the content has the digest sha256:{content_digest}")
