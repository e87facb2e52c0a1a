"""What a retention run is going to do, found out before anything is removed."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from transition_wire.archive_name import workload_of

from airflow_transition import outside
from airflow_transition.core.cluster_package import package_on, paths_on
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.manifests import find_workload
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.remains import Orphan, Remains, WorkloadPlace, orphans, with_images
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.core.retention import Verdict, decide, wanted_digests

if TYPE_CHECKING:
    from airflow_transition.hooks.checkpoint_inventory import CheckpointInventory, KeptPoints
    from airflow_transition.hooks.oci_registry import OciRegistryHook


@dataclass(frozen=True)
class RetentionPlan:
    """All that stays and goes, with the reasons."""

    verdicts: tuple[Verdict, ...]
    orphans: tuple[Orphan, ...]
    remains: Mapping[str, Remains]
    """What is stored of each checkpoint, by the key of its record."""
    left_alone: tuple[str, ...]
    """Workloads of which nothing goes, because not all of their restore points can be read."""

    @property
    def going(self) -> list[RestorePoint]:
        return [verdict.point for verdict in self.verdicts if not verdict.stays]

    @property
    def size_bytes(self) -> int:
        """What goes from S3."""
        keys = [one.record_key for point in self.going for one in point.containers]
        with_points = sum(self.remains[key].size_bytes for key in keys if key in self.remains)
        return with_points + sum(orphan.remains.size_bytes for orphan in self.orphans)

    def lines(self) -> Iterator[str]:
        yield from map(str, self.verdicts)
        yield from map(str, self.orphans)
        yield from self.left_alone


@dataclass(frozen=True)
class _Workload:
    """A workload in all clusters, and what is stored of it in those of the policy."""

    namespace: str
    name: str
    kept: "Mapping[str, KeptPoints]"
    """Cluster to restore points."""
    remains: tuple[Remains, ...]
    places: frozenset[WorkloadPlace]

    @cached_property
    def points(self) -> list[RestorePoint]:
        return [point for kept in self.kept.values() for point in kept.points]

    @cached_property
    def unreadable(self) -> list[str]:
        return [address for kept in self.kept.values() for address in kept.unreadable]


@dataclass
class RetentionSurvey:
    """Looks at everything that a policy's retention is about, and touches nothing.

    Manifests are read before restore points: what a transition chooses after that is the newest
    verified one, which stays.
    """

    policy: ClusterPolicy
    now: datetime
    older_than: datetime
    """What got something since is no orphan yet."""
    in_use: dict[str, str] = field(default_factory=dict)
    """Image digest to who wants it."""

    def plan(self) -> RetentionPlan:
        deployed = set(self._read_manifests())
        self._read_transitions()
        workloads = [self._workload(*named) for named in sorted(self._workloads(deployed))]
        readable = [workload for workload in workloads if not workload.unreadable]
        verdicts = [verdict for one in readable for verdict in self._verdicts(one)]
        return RetentionPlan(
            tuple(verdicts),
            tuple(self._orphans(readable)),
            {one.record_key: one for workload in readable for one in workload.remains},
            tuple(_left_alone(workload) for workload in workloads if workload.unreadable),
        )

    def _read_manifests(self) -> Iterator[tuple[str, str]]:
        """Namespace and name of each deployed workload; what manifests want is in use."""
        packages = self.policy.spec.package_selectors
        for cluster in self.policy.clusters if packages else ():
            there = package_on(self.policy, package=packages[0], cluster=cluster)
            paths = paths_on(self.policy, packages=packages, cluster=cluster)
            read = outside.git(there).read_all(sorted(paths.values()))
            for folder, files in read.items():
                self.in_use |= dict.fromkeys(wanted_digests(files), f"{cluster}: {folder}")
            for package in packages:
                with suppress(PermanentError):  # its restore points are found all the same
                    found = find_workload(read.get(paths[package.name], {}), package=package.name)
                    namespace = package.namespace or found.namespace
                    if namespace:
                        yield namespace, found.name

    def _read_transitions(self) -> None:
        """What a failover has chosen is in use until it has ended, promoted or not."""
        for story in self._inventory.transitions(self.policy.name):
            if story.ended is None:
                chosen = [
                    image for images in story.plan.images.values() for image in images.values()
                ]
                digests = [image.rpartition("@")[2] for image in chosen]
                self.in_use |= dict.fromkeys(digests, f"failover {story.plan.id}")

    def _workloads(self, deployed: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those that are deployed, and those whose newest restore point this policy made."""
        found = set(deployed)
        for cluster in self.policy.clusters:
            for place in self._inventory.workloads(cluster):
                named = (place.namespace, place.workload)
                newest = None if named in found else self._inventory.newest(place)
                if newest is not None and self._is_own(newest):
                    found.add(named)
        return found

    def _is_own(self, point: RestorePoint) -> bool:
        """Whether this policy decides about a restore point: it knows all that may want it."""
        packages = {package.name for package in self.policy.spec.package_selectors}
        return (
            point.policy == self.policy.name
            and point.cluster in self.policy.clusters
            and point.package in packages
        )

    def _workload(self, namespace: str, name: str) -> _Workload:
        clusters = {*self.policy.clusters, *self._inventory.clusters()}
        kept = {
            cluster: self._inventory.kept(WorkloadPlace(cluster, namespace, name))
            for cluster in sorted(clusters)
        }
        pods = {point.pod for one in kept.values() for point in one.points}
        folders = {name, *map(workload_of, pods)}
        places = [
            WorkloadPlace(cluster, namespace, folder)
            for cluster in self.policy.clusters
            for folder in sorted(folders)
        ]
        remains = [one for place in places for one in self._inventory.remains(place)]
        return _Workload(namespace, name, kept, tuple(remains), frozenset(places))

    def _verdicts(self, workload: _Workload) -> list[Verdict]:
        held = {key: why for kept in workload.kept.values() for key, why in kept.pins.items()}
        elsewhere = [point for point in workload.points if not self._can_be_deleted(point)]
        held |= {
            point.id: "its image is in a registry that transition_registry does not name"
            for point in elsewhere
        }
        return decide(
            [point for point in workload.points if self._is_own(point)],
            rules=self.policy.spec.retention,
            now=self.now,
            held=held,
            in_use=self.in_use,
            proven={key for kept in workload.kept.values() for key in kept.proofs},
            others=[point for point in workload.points if not self._is_own(point)],
        )

    def _can_be_deleted(self, point: RestorePoint) -> bool:
        return all(self._registry.is_own(image) for image in point.images.values())

    def _orphans(self, workloads: list[_Workload]) -> Iterator[Orphan]:
        images = self._registry.find_images(
            of=frozenset(place for one in workloads for place in one.places),
            older_than=self.older_than,
            known=[one.checkpoint for workload in workloads for one in workload.remains],
        )
        for workload in workloads:
            own = [image for image in images if image.place in workload.places]
            stored = with_images(workload.remains, images=own)
            found = self._found(stored, points=workload.points)
            moments = [orphan.remains.checkpoint.created for orphan in found]
            if moments:
                near = self._inventory.near(workload.namespace, moments=moments)
                points = [*workload.points, *(near or ())]
                found = [] if near is None else self._found(stored, points=points)
            yield from found

    def _found(self, stored: list[Remains], *, points: list[RestorePoint]) -> list[Orphan]:
        found = orphans(stored, points=points, in_use=self.in_use, older_than=self.older_than)
        return list(found)

    @cached_property
    def _inventory(self) -> "CheckpointInventory":
        return outside.store().inventory

    @cached_property
    def _registry(self) -> "OciRegistryHook":
        return outside.registry()


def _left_alone(workload: _Workload) -> str:
    return (
        f"left alone: {workload.namespace}/{workload.name}: what {workload.unreadable[0]} needs is "
        "not known, since it cannot be read: update the provider, or remove it"
    )
