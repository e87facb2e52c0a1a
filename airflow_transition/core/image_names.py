"""Names of images: repositories and tags of checkpoint images, and how runtimes split a name."""

import re
from datetime import UTC, datetime

from transition_wire.archive_name import ArchiveName
from transition_wire.checkpoint_record import CheckpointRecord

from airflow_transition.core.errors import PermanentError

_REPOSITORY = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_REGISTRY_NAME_MAX = 255
_TAG = "%Y%m%dT%H%M%SZ"


class ImageNameError(PermanentError):
    """A name that no registry or runtime takes."""


def is_repository(text: str) -> bool:
    """Whether registries take it as a repository, or as the beginning of one."""
    return _REPOSITORY.fullmatch(text) is not None


def repository_of(checkpoint: ArchiveName, *, repository: str) -> str:
    """Give the repository of a container's images: `.../checkpoint-<ns>_<pod>-<container>`."""
    begin = repository_begin(checkpoint.namespace, pod=checkpoint.pod, repository=repository)
    return f"{begin}-{checkpoint.container}"


def repository_begin(namespace: str, *, pod: str, repository: str) -> str:
    """Give what the repositories of all pods whose names begin so have in common."""
    return f"{repository.strip('/')}/checkpoint-{namespace}_{pod}".lstrip("/")


def image_repository(record: CheckpointRecord, *, repository: str) -> str:
    """Give the repository of a record's image, if registries take its name."""
    name = ArchiveName(
        pod=record.pod,
        namespace=record.namespace,
        container=record.container,
        created=record.created,
    )
    path = repository_of(name, repository=repository)
    if len(path) > _REGISTRY_NAME_MAX or _REPOSITORY.fullmatch(path) is None:
        raise ImageNameError(
            "registries do not take this repository name",
            where=record.key,
            found=path,
            do="shorten the connection's `repository`, or rename the workload",
        )
    return path


def split_name(image: str) -> tuple[str, str, str]:
    """Split an image's name into registry, repository and tag, as container runtimes do."""
    host, slash, rest = image.partition("/")
    if not slash or not (set(".:") & set(host) or host == "localhost"):
        host, rest = "docker.io", image if slash else f"library/{image}"
    repository, _, tag = rest.partition(":")
    return host, repository, tag or "latest"


def image_tag(created: datetime) -> str:
    """Give the tag for people: when the checkpoint was made. Nothing refers to it."""
    return created.astimezone(UTC).strftime(_TAG)


def tag_time(tag: str) -> datetime | None:
    """When the checkpoint behind a tag was made; None where the tag is none of ours."""
    try:
        return datetime.strptime(tag, _TAG).replace(tzinfo=UTC)
    except ValueError:
        return None
