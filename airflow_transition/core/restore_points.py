"""Restore points: all checkpoints of one pod taken together, and which of them to use."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator
from transition_wire.checkpoint_record import BaseImage
from transition_wire.model import Digest, DnsLabel, DnsSubdomain, WireModel
from transition_wire.node_facts import NodeFacts

ImageByDigest = Annotated[
    str, StringConstraints(pattern=r"^[^\s@]+/[^\s@]+@sha256:[0-9a-f]{64}$", max_length=1024)
]
"""`host/repository@sha256:...`: a tag could point elsewhere tomorrow."""

RESTORE_POINTS = "restore-points"
"""The folder in S3."""

_KEY_TIME = "%Y%m%dT%H%M%SZ"


class ContainerCheckpoint(WireModel):
    """One container of a restore point: its archive in S3 and its image in the registry."""

    container: DnsLabel
    record_key: str
    """S3 key of the checkpoint record, the prefix included."""
    digest: Digest
    """Of the archive, which is the image's first layer."""
    size_bytes: int = Field(gt=0)
    image: ImageByDigest
    base_image: BaseImage


class RestorePoint(WireModel):
    """All container archives of one pod with their images: what can be restored as a whole."""

    version: Literal[1] = 1
    policy: DnsSubdomain
    package: DnsLabel
    cluster: DnsSubdomain
    namespace: DnsLabel
    workload_kind: str
    workload: DnsSubdomain
    pod: DnsSubdomain
    created: AwareDatetime
    """When its first container was checkpointed."""
    containers: tuple[ContainerCheckpoint, ...] = Field(min_length=1)
    node: NodeFacts
    """Of the node on which the processes ran: what a target has to match."""
    verified: AwareDatetime | None = None
    """Set once every image was read back from the registry and its digest checked."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Step to how long it took: checkpoint, upload, image."""

    @model_validator(mode="after")
    def _each_container_once(self) -> Self:
        names = [checkpoint.container for checkpoint in self.containers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"more than one checkpoint of container {', '.join(twice)}")
        return self

    @property
    def id(self) -> str:
        """Names this restore point wherever people see it."""
        return restore_point_key(
            prefix="",
            cluster=self.cluster,
            namespace=self.namespace,
            workload=self.workload,
            created=self.created,
        ).removesuffix(".json")

    @property
    def images(self) -> dict[str, str]:
        """Container name to checkpoint image: what a promotion writes into the manifests."""
        return {checkpoint.container: checkpoint.image for checkpoint in self.containers}

    def age(self, *, now: datetime) -> timedelta:
        """What a failover at `now` would lose: the RPO."""
        return max(now - self.created, timedelta(0))


def restore_points_folder(*, prefix: str, cluster: str, namespace: str, workload: str) -> str:
    """S3 prefix of a workload's restore points; their keys sort by time."""
    return f"{prefix}{RESTORE_POINTS}/{cluster}/{namespace}/{workload}/"


def restore_point_key(
    *, prefix: str, cluster: str, namespace: str, workload: str, created: datetime
) -> str:
    """S3 key of the restore point taken at `created`."""
    folder = restore_points_folder(
        prefix=prefix, cluster=cluster, namespace=namespace, workload=workload
    )
    return f"{folder}{created.astimezone(UTC).strftime(_KEY_TIME)}.json"


def created_of_key(key: str) -> datetime | None:
    """When the restore point at `key` was taken; None where that is no restore point's key."""
    try:
        name = key.rpartition("/")[2]
        return datetime.strptime(name, f"{_KEY_TIME}.json").replace(tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True)
class Reason:
    """Why a restore point was passed over."""

    restore_point: str
    """Its id."""
    text: str

    def __str__(self) -> str:
        return f"{self.restore_point}: {self.text}"


@dataclass(frozen=True)
class Choice:
    """The restore point to use, if there is one, and why newer ones were passed over."""

    point: RestorePoint | None
    passed_over: tuple[Reason, ...]
    older: tuple[RestorePoint, ...] = ()
    """Others that could be used as well, newest first: for when this one does not restore."""


def choose(
    points: Iterable[RestorePoint],
    *,
    now: datetime,
    max_age: timedelta | None = None,
    refused: Callable[[RestorePoint], str | None] = lambda _: None,
    older: int = 0,
) -> Choice:
    """Newest verified restore point, with a reason for each newer one.

    With `max_age`, one that is older is refused rather than used: a person asked for that limit.
    `refused` says why one cannot be used for another reason, such as that no node can restore it.
    So many `older` ones are given besides.
    """
    passed_over: list[Reason] = []
    usable: list[RestorePoint] = []
    for point in sorted(points, key=lambda point: (point.created, point.id), reverse=True):
        reason = _reason_against(point, now=now, max_age=max_age) or refused(point)
        if reason is None:
            usable.append(point)
            if len(usable) > older:
                break
        elif not usable:
            passed_over.append(Reason(point.id, reason))
    newest = usable[0] if usable else None
    return Choice(newest, tuple(passed_over), tuple(usable[1:]))


def _reason_against(point: RestorePoint, *, now: datetime, max_age: timedelta | None) -> str | None:
    if point.verified is None:
        return "its images were not read back from the registry, so it may not restore"
    age = point.age(now=now)
    if max_age is not None and age > max_age:
        return f"it is {spoken(age)} old, and at most {spoken(max_age)} is allowed"
    return None


def spoken(duration: timedelta) -> str:
    """Two largest units: '3 d 4 h', '5 min 2 s'."""
    seconds = int(duration.total_seconds())
    parts = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
