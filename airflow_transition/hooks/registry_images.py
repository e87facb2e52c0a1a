"""What a registry has of checkpoint images, and how one is taken away.

A registry deletes manifests, and with them their tags. The blobs behind them are freed by its own
garbage collection, which nobody can start from here.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from urllib.parse import urlsplit

from requests.utils import parse_header_links

from airflow_transition.core.image import checkpoint_of
from airflow_transition.core.image_names import tag_time
from airflow_transition.core.remains import StoredImage
from airflow_transition.hooks.registry_client import RegistryClient
from airflow_transition.hooks.registry_errors import (
    Answer,
    ImageDamagedError,
    ImageMissingError,
    RegistryDeletionRefusedError,
    RegistryDeniedError,
    RegistryRefusedError,
    document_of,
    words_of,
)
from airflow_transition.hooks.registry_manifests import Manifests

_OK, _ACCEPTED, _BAD, _MISSING, _NOT_ALLOWED = 200, 202, 400, 404, 405
_NOBODYS_DIGEST = f"sha256:{'0' * 64}"
_PAGE = 500
_PAGES_MAX = 10_000


class RegistryImages:
    """The checkpoint images of one registry, below one folder of repositories."""

    def __init__(self, client: RegistryClient, *, folder: str) -> None:
        self._client = client
        self.folder = folder.strip("/")

    def repositories(self) -> list[str] | None:
        """Those with checkpoint images; None where the registry shows nobody what it has."""
        begin = f"{self.folder}/checkpoint-".lstrip("/")
        try:
            names = self._listed("/v2/_catalog", name="repositories", scope="registry:catalog:*")
            return [name for name in names if name.startswith(begin)]
        except (ImageMissingError, RegistryDeniedError, RegistryRefusedError):
            return None

    def older_than(self, moment: datetime, *, repositories: Iterable[str]) -> Iterator[StoredImage]:
        """Images that were made of checkpoints before `moment`, by their tags."""
        for repository in repositories:
            manifests = Manifests(self._client, repository=repository)
            for tag in self._tags(repository):
                made = tag_time(tag)
                if made is not None and made < moment:
                    image = self._image(manifests, repository=repository, tag=tag)
                    if image is not None:
                        yield image

    def require_deletion(self, repository: str) -> None:
        """Raise if the registry deletes nothing, or not for us; asked with a digest of nothing."""
        self.delete(repository, digest=_NOBODYS_DIGEST)

    def delete(self, repository: str, *, digest: str) -> bool:
        """Delete a manifest with its tags; False where it was gone already."""
        answer = self._client.request(
            "DELETE",
            f"/v2/{repository}/manifests/{digest}",
            repositories=(repository,),
            scopes=(f"repository:{repository}:pull,delete",),
            expected=(_OK, _ACCEPTED, _BAD, _MISSING, _NOT_ALLOWED),
        )
        refused = answer.status in (_BAD, _NOT_ALLOWED)
        if refused or "UNSUPPORTED" in str(answer.content):
            raise RegistryDeletionRefusedError(
                "the registry deletes no images",
                where=f"{self._client.host}/{repository}@{digest}",
                found=f"{answer.status} {words_of(answer)}".strip(),
                do="allow it there (docker-registry: storage.delete.enabled: true), or give the "
                "registry rules of its own; until then its images and their archives stay",
            )
        return answer.status != _MISSING

    def _tags(self, repository: str) -> list[str]:
        try:
            url = f"/v2/{repository}/tags/list"
            return self._listed(url, name="tags", scope=f"repository:{repository}:pull")
        except ImageMissingError:
            return []

    def _image(self, manifests: Manifests, *, repository: str, tag: str) -> StoredImage | None:
        """What a tag leads to; None where it is gone meanwhile or none of ours."""
        try:
            manifest = manifests.read(tag)
        except (ImageMissingError, ImageDamagedError):
            return None
        made_of = checkpoint_of(manifest.document.get("annotations") or {})
        if made_of is None:
            return None
        cluster, checkpoint = made_of
        return StoredImage(
            f"{self._client.host}/{repository}@{manifest.digest}", cluster, checkpoint
        )

    def _listed(self, url: str, *, name: str, scope: str) -> list[str]:
        """All pages of a list of names."""
        found: list[str] = []
        following: str | None = f"{url}?n={_PAGE}"
        for _ in range(_PAGES_MAX):
            if following is None:
                break
            answer = self._client.request(
                "GET", following, repositories=(), scopes=(scope,), expected=(_OK,)
            )
            listed = document_of(answer).get(name) or []
            found += [one for one in listed if isinstance(one, str)]
            following = _next(answer, url=url)
        return found


def _next(answer: Answer, *, url: str) -> str | None:
    """The next page, which is asked for at the same path whatever host the link names."""
    for link in parse_header_links(answer.headers.get("Link", "")):
        if link.get("rel") == "next":
            return f"{url}?{urlsplit(link['url']).query}"
    return None
