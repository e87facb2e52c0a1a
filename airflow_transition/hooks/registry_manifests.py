"""The manifests of one repository: read with their digest checked, put by tag."""

import json
from dataclasses import dataclass
from typing import Any

from airflow_transition.core.image import MANIFEST_TYPE, Descriptor, digest_of
from airflow_transition.hooks.registry_client import RegistryClient
from airflow_transition.hooks.registry_errors import ImageDamagedError

_OK, _CREATED = 200, 201
_READABLE = (
    f"{MANIFEST_TYPE}, application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json"
)
"""Base images come in all of these; what is pushed is plain OCI."""


@dataclass(frozen=True)
class Manifest:
    """A manifest, or an index of them, as the registry gave it."""

    content: bytes
    document: dict[str, Any]
    where: str

    @property
    def digest(self) -> str:
        return digest_of(self.content)

    @property
    def config(self) -> Descriptor:
        return self._parts([self.document.get("config")])[0]

    @property
    def layers(self) -> list[Descriptor]:
        return self._parts(self.document.get("layers"))

    @property
    def platforms(self) -> list[Descriptor]:
        """What an index points at; nothing where this is an image's own manifest."""
        return self._parts(self.document.get("manifests", []))

    def _parts(self, found: Any) -> list[Descriptor]:
        try:
            return [Descriptor.of(part) for part in found]
        except (KeyError, TypeError) as error:
            raise damaged(self.where) from error


class Manifests:
    """The manifests of one repository."""

    def __init__(self, client: RegistryClient, *, repository: str) -> None:
        self._client = client
        self._repository = repository

    def read(self, reference: str) -> Manifest:
        """Read by digest, which the answer must have, or by tag."""
        where = f"{self._client.host}/{self._repository}:{reference}"
        content = self._client.request(
            "GET",
            self._path(reference),
            repositories=(self._repository,),
            expected=(_OK,),
            headers={"Accept": _READABLE},
        ).content
        if reference.startswith("sha256:") and digest_of(content) != reference:
            raise ImageDamagedError(
                "the registry gives another manifest than the one asked for",
                where=where,
                found=digest_of(content),
                do="do not use this registry before it is repaired; build the image again",
            )
        try:
            document = json.loads(content)
        except ValueError as error:
            raise damaged(where) from error
        if not isinstance(document, dict) or document.get("schemaVersion") != 2:  # noqa: PLR2004  the only one in use
            raise damaged(where)
        return Manifest(content=content, document=document, where=where)

    def put(self, content: bytes, *, tag: str) -> None:
        """Put a manifest under a tag; a registry then has it by its digest too."""
        self._client.request(
            "PUT",
            self._path(tag),
            repositories=(self._repository,),
            expected=(_CREATED,),
            headers={"Content-Type": MANIFEST_TYPE},
            body=content,
        )

    def _path(self, reference: str) -> str:
        return f"/v2/{self._repository}/manifests/{reference}"


def damaged(where: str) -> ImageDamagedError:
    """Build the error for an answer that is no manifest."""
    return ImageDamagedError(
        "the registry's answer is no OCI manifest", where=where, do="build the image again"
    )
