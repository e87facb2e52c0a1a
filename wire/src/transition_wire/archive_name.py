"""Names of checkpoint archives, and where they lie in S3."""

import re
from datetime import datetime
from typing import Literal, Self

from pydantic import AwareDatetime, ValidationError

from transition_wire.model import DnsLabel, DnsSubdomain, WireModel

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' generated names use no vowels and no look-alikes (apimachinery, util/rand)."""

_REPLICA_POD = re.compile(
    rf"^(?P<workload>.+)-[{_SUFFIX_ALPHABET}]{{6,10}}-[{_SUFFIX_ALPHABET}]{{5}}$"
)
_DAEMON_POD = re.compile(rf"^(?P<workload>.+)-[{_SUFFIX_ALPHABET}]{{5}}$")
_ORDINAL_POD = re.compile(r"^(?P<workload>.+)-\d+$")
_TIMESTAMP = re.compile(r"-(?P<created>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))\.tar$")


Compression = Literal["none", "zstd"]
"""How an archive lies in S3."""

ZSTD_SUFFIX = ".zst"


class ArchiveName(WireModel):
    """The parts of `checkpoint-<pod>_<namespace>-<container>-<RFC 3339>.tar` (kubelet's format).

    Namespace and container may both hold dashes, so the name alone cannot be split: the archive's
    own spec says what they are, and `matches` checks the two against each other.
    """

    pod: DnsSubdomain
    namespace: DnsLabel
    container: DnsLabel
    created: AwareDatetime

    @classmethod
    def read(cls, filename: str, *, namespace: str) -> Self | None:
        """The parts of an archive's name in a folder of this namespace; None if it is no such."""
        pod, _, rest = _TIMESTAMP.sub("", filename).removeprefix("checkpoint-").partition("_")
        container = rest.removeprefix(f"{namespace}-")
        created = created_of(filename)
        if created is None or container == rest:
            return None
        try:
            return cls(pod=pod, namespace=namespace, container=container, created=created)
        except ValidationError:
            return None

    @property
    def stem(self) -> str:
        """The name without time and ending: what all archives of one container share."""
        return f"checkpoint-{self.pod}_{self.namespace}-{self.container}"

    def matches(self, filename: str) -> bool:
        """Whether `filename` is an archive of this container at this time."""
        created = created_of(filename)
        return created == self.created and _TIMESTAMP.sub("", filename) == self.stem


def created_of(filename: str) -> datetime | None:
    """Time at the end of an archive's name (kubelet, whole seconds); None if it is no archive."""
    found = _TIMESTAMP.search(filename)
    if not filename.startswith("checkpoint-") or found is None:
        return None
    try:
        return datetime.fromisoformat(found["created"])
    except ValueError:  # the 13th month: looks like an archive's name and is none
        return None


def workload_of(pod: str) -> str:
    """Name of the workload that made `pod`, from the forms that Kubernetes generates.

    Both sides call this one function, so that a key is the same wherever it is computed; it names a
    folder and decides nothing.
    """
    for form in (_REPLICA_POD, _ORDINAL_POD, _DAEMON_POD):
        found = form.match(pod)
        if found is not None:
            return found["workload"]
    return pod


def archive_key(*, prefix: str, cluster: str, namespace: str, pod: str, filename: str) -> str:
    """An archive's own key: `<prefix><cluster>/<namespace>/<workload>/<filename>`."""
    return f"{prefix}{cluster}/{namespace}/{workload_of(pod)}/{filename}"


def stored_key(key: str, *, compression: Compression) -> str:
    """S3 key of the object that holds the archive of this key."""
    return key + ZSTD_SUFFIX if compression == "zstd" else key


def record_key(key: str) -> str:
    """S3 key of the checkpoint record of the archive at `key`, however that is stored."""
    return f"{key}.record.json"
