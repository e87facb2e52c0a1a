"""The restore points of a policy as a person wants to see them; what is away hides nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.cluster_package import package_on, paths_on
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.policy import ClusterPolicy, PackageSelector
from airflow_transition.core.proof import Proof
from airflow_transition.core.remains import WorkloadPlace
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.core.retention import image_digests, wanted_digests
from airflow_transition.operators.at_once import all_at_once, at_once

if TYPE_CHECKING:
    from airflow_transition.hooks.checkpoint_inventory import KeptPoints as ListedPoints


@dataclass(frozen=True)
class KeptPoint:
    """One restore point, and why it would stay."""

    point: RestorePoint
    pin: str | None
    """Who pinned it, and why."""
    used_by: tuple[str, ...] | None
    """Clusters whose manifests want its image; None: not every repository answered."""
    proof: Proof | None = None
    """Of the newest test restore that it passed."""

    @property
    def size_bytes(self) -> int:
        return sum(checkpoint.size_bytes for checkpoint in self.point.containers)

    def age(self, *, now: datetime) -> timedelta:
        return self.point.age(now=now)


@dataclass(frozen=True)
class KeptPoints:
    """Newest first, with what could not be read."""

    points: tuple[KeptPoint, ...]
    unreadable: tuple[str, ...]
    """Addresses in S3."""
    away: Mapping[str, str]
    """Cluster to why its repository did not tell what it uses."""


def kept_points(policy: ClusterPolicy, *, packages: Sequence[PackageSelector]) -> KeptPoints:
    """All restore points that the policy made of these packages, wherever they ran."""
    listed = listed_points(policy, packages=packages)
    names = {package.name for package in packages}
    used, away = _used(policy, packages=packages)
    points = [
        KeptPoint(
            point,
            kept.pins.get(point.id),
            _used_by(point, used=used, all_told=not away),
            kept.proofs.get(point.id),
        )
        for kept in listed
        for point in kept.points
        if point.policy == policy.name and point.package in names
    ]
    points.sort(key=lambda one: (one.point.created, one.point.id), reverse=True)
    unreadable = tuple(address for kept in listed for address in kept.unreadable)
    return KeptPoints(tuple(points), unreadable, away)


def listed_points(
    policy: ClusterPolicy, *, packages: Sequence[PackageSelector]
) -> "tuple[ListedPoints, ...]":
    """What the store has of each workload that deploys one of these packages somewhere."""
    places = all_at_once(
        {
            cluster: partial(_places, cluster, policy=policy, packages=packages)
            for cluster in policy.clusters
        }
    )
    inventory = outside.store().inventory
    listed = all_at_once(
        {place: partial(inventory.kept, place) for found in places.values() for place in found}
    )
    return tuple(listed.values())


def _places(
    cluster: str, *, policy: ClusterPolicy, packages: Sequence[PackageSelector]
) -> list[WorkloadPlace]:
    """Workloads of the cluster whose newest restore point is of one of the packages."""
    inventory = outside.store().inventory
    names = {package.name for package in packages}
    places = tuple(inventory.workloads(cluster))
    newest = all_at_once({place: partial(inventory.newest, place) for place in places})
    return [
        place
        for place, point in newest.items()
        if point is not None and point.policy == policy.name and point.package in names
    ]


def _used(
    policy: ClusterPolicy, *, packages: Sequence[PackageSelector]
) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Cluster to the digests that its manifests want; and cluster to why that is not known."""
    if not packages:
        return {}, {}
    asks = {
        cluster: partial(
            outside.git(package_on(policy, package=packages[0], cluster=cluster)).read_all,
            sorted(paths_on(policy, packages=packages, cluster=cluster).values()),
        )
        for cluster in policy.clusters
    }
    used, away = {}, {}
    for cluster, answer in at_once(asks).items():
        if isinstance(answer, TransitionError):
            away[cluster] = str(answer)
        else:
            used[cluster] = {one for files in answer.values() for one in wanted_digests(files)}
    return used, away


def _used_by(
    point: RestorePoint, *, used: Mapping[str, set[str]], all_told: bool
) -> tuple[str, ...] | None:
    wanting = tuple(_wanting(point, used=used))
    return wanting if wanting or all_told else None


def _wanting(point: RestorePoint, *, used: Mapping[str, set[str]]) -> Iterator[str]:
    for cluster, digests in used.items():
        if digests.intersection(image_digests(point)):
            yield cluster
