"""What becomes of each package of a lost cluster, from the offer of the target that was chosen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_transition.core.cluster_package import ClusterPackage, package_on
from airflow_transition.core.failover import OlderPoint, PackageFailover
from airflow_transition.core.failover_choice import Offer
from airflow_transition.core.manner import Manner, manner_of
from airflow_transition.core.package_edits import Files
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.restore_points import Choice, RestorePoint
from airflow_transition.core.unmovable import stays_behind
from airflow_transition.core.velero import FoundBackup
from airflow_transition.core.volumes import VolumesPlan, claims_of, failover_volumes
from airflow_transition.operators.failover_look import Look
from airflow_transition.operators.lost_packages import LostPackage

_MOST_SHOWN = 5
"""Restore points that were passed over."""


@dataclass(frozen=True)
class PackageFailovers:
    """Makes the part of each package in the plan."""

    policy: ClusterPolicy
    lost: str
    """The lost cluster."""
    seen: Look

    def of(
        self, lost: Sequence[LostPackage], *, offer: Offer, left: dict[str, str]
    ) -> Iterator[PackageFailover]:
        """Those that the offer takes; what turns out not to be movable is put into `left`."""
        for one in lost:
            choice = offer.choices.get(one.name)
            if choice is None:
                continue
            namespace = one.namespace or (choice.point.namespace if choice.point else None)
            manifests = self._manifests_of(one, point=choice.point)
            backup = offer.backups.get(one.name)
            if namespace is None:
                left[one.name] = "its namespace is not known: write it into the policy"
            elif manifests is None:
                left[one.name] = "a cold start needs manifests without checkpoint images"
            else:
                yield self._package(
                    one,
                    choice=choice,
                    target=offer.cluster,
                    namespace=namespace,
                    manifests=manifests,
                    backup=backup,
                    files=self.files(one),
                )

    def _manifests_of(self, one: LostPackage, *, point: RestorePoint | None) -> str | None:
        """The cluster whose repository the target's manifests come from.

        A package without memory has its own images anywhere. A cold start of a live one takes those
        of the policy's source: elsewhere they name checkpoint images. What a planned move has
        promoted already stays as it is.
        """
        if one.half_moved_to:
            return one.half_moved_to
        if manner_of(one.selector) is not Manner.LIVE:
            return self.lost
        if point is not None or self.lost == self.policy.source.name:
            return self.lost
        files = self.seen.files.get(self.policy.source.name) or {}
        return self.policy.source.name if files.get(one.name) else None

    def _package(
        self,
        one: LostPackage,
        *,
        choice: Choice,
        target: str,
        namespace: str,
        manifests: str,
        backup: FoundBackup | None,
        files: Files,
    ) -> PackageFailover:
        point, manner = choice.point, manner_of(one.selector)
        return PackageFailover(
            source=package_on(self.policy, package=one.selector, cluster=self.lost),
            target=package_on(self.policy, package=one.selector, cluster=target),
            manner=manner,
            workload_kind=one.workload.kind,
            workload=one.workload.name,
            namespace=namespace,
            pod_labels=dict(one.workload.labels),
            replicas=one.workload.replicas or 1,
            restore_point=point.id if point else None,
            created=_created(point, backup=backup),
            volumes=backup and self._volumes(one, backup=backup, files=files, target=target),
            images=point.images if point else {},
            size_bytes=sum(each.size_bytes for each in point.containers) if point else 0,
            manifests=package_on(self.policy, package=one.selector, cluster=manifests),
            stays_behind=stays_behind(files, workload=one.workload, manner=manner),
            passed_over=tuple(_shown(choice)),
            older=tuple(map(OlderPoint.of, choice.older)),
            stopped_by=one.stopped_by,
            elsewhere=self._elsewhere(one, target=target) if one.stopped_by else (),
            half_moved=one.half_moved_to is not None,
        )

    def files(self, one: LostPackage) -> Files:
        """Its manifests on the lost cluster."""
        return (self.seen.files.get(self.lost) or {}).get(one.name, {})

    def _volumes(
        self, one: LostPackage, *, backup: FoundBackup, files: Files, target: str
    ) -> VolumesPlan:
        return failover_volumes(
            self.policy,
            package=one.name,
            lost=self.lost,
            target=target,
            claims=claims_of(files, workload=one.workload),
            backup=backup,
        )

    def _elsewhere(self, one: LostPackage, *, target: str) -> tuple[ClusterPackage, ...]:
        others = [each for each in self.policy.clusters if each not in {self.lost, target}]
        return tuple(package_on(self.policy, package=one.selector, cluster=each) for each in others)


def _created(point: RestorePoint | None, *, backup: FoundBackup | None) -> datetime | None:
    if backup is not None:
        return backup.created
    return point.created if point else None


def _shown(choice: Choice) -> Iterator[str]:
    """The newest that were passed over: the plan travels from task to task."""
    yield from map(str, choice.passed_over[:_MOST_SHOWN])
    more = len(choice.passed_over) - _MOST_SHOWN
    if more > 0:
        yield f"and {more} before them"
