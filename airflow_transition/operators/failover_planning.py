"""Make the plan of a failover from what is seen; nothing is touched."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_transition.core.cluster_health import (
    ClusterVerdict,
    agents,
    cluster_verdict,
)
from airflow_transition.core.cluster_package import ClusterPackage, package_on
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.failover import (
    FailoverPlan,
    PackageFailover,
    failover_id,
    not_promised,
)
from airflow_transition.core.failover_choice import (
    Offer,
)
from airflow_transition.core.health_report import ClusterReport
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.restore_points import Choice, RestorePoint
from airflow_transition.core.stays_behind import stays_behind
from airflow_transition.operators.failover_look import Look, look
from airflow_transition.operators.failover_target import FailoverTarget
from airflow_transition.operators.lost_packages import LostPackage, LostPackages

if TYPE_CHECKING:
    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
    from airflow_transition.hooks.heartbeat import HeartbeatHook


_MOST_SHOWN = 5
"""Restore points that were passed over."""


class NothingToMoveError(PermanentError):
    """Nothing is to be done, which is no failure: the message says why."""


@dataclass(frozen=True)
class FailoverRequest:
    """Why a failover is wanted: an event, or a person with a form."""

    cluster: str
    run: str
    run_id: str
    epoch: int | None = None
    """Of the event; None: the present one."""
    nodes: tuple[str, ...] = ()
    just_seen: bool = False
    """Seconds ago, by whoever told of the fault."""
    by_hand: bool = False
    target: str = AUTOMATIC
    source_stopped: bool = False


@dataclass
class FailoverPlanning:
    """One request's way to a plan."""

    policy: ClusterPolicy
    request: FailoverRequest
    receiver: "HeartbeatHook | None"
    store: "CheckpointStoreHook"
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = field(default_factory=time.monotonic)

    def plan(self) -> FailoverPlan:
        seen = self._look()
        verdict = self._confirmed(seen)
        packages = LostPackages(
            self.policy,
            cluster=self.request.cluster,
            seen=seen,
            run=self.request.run,
            nodes=() if verdict.lost else self.request.nodes,
        )
        lost = packages.find()
        if not lost:
            stays = "; ".join(f"{name}: {why}" for name, why in packages.left.items())
            raise self._nothing("no package of the policy runs on it", found=stays or None)
        target = FailoverTarget(
            self.policy,
            wanted=self.request.target,
            lost=self.request.cluster,
            seen=seen,
            store=self.store,
            now=self.now,
        )
        offer, placement = target.choose(lost)
        left = {**packages.left, **offer.left}
        return self._plan(
            lost, offer=offer, placement=placement, verdict=verdict, left=left, seen=seen
        )

    def _look(self) -> Look:
        forced = self.request.target
        others = () if forced == AUTOMATIC else (forced,)
        return look(
            self.policy,
            lost=self.request.cluster,
            receiver=self.receiver,
            store=self.store,
            others=others,
            just_seen=self.request.just_seen,
        )

    def _confirmed(self, seen: Look) -> ClusterVerdict:
        """Both signals, asked again; a person's word is enough without them."""
        cluster = self.request.cluster
        for claim in seen.claims:
            if claim.epoch == self.request.epoch and claim.run != self.request.run:
                raise self._nothing("this fault was given to another run", found=claim.run)
        report = seen.reports.get(cluster)
        verdict = cluster_verdict(
            report or ClusterReport(cluster=cluster, epoch=1, nodes=()),
            silent_nodes_percent=self.policy.spec.failover.silent_nodes_percent,
            second=seen.signals[cluster],
        )
        lost_nodes = set(self.request.nodes) & set(verdict.lost_nodes)
        if not (verdict.lost or lost_nodes or self.request.by_hand):
            raise self._nothing("the cluster is not lost (any more)", found=str(verdict))
        return verdict

    def _plan(
        self,
        lost: Sequence[LostPackage],
        *,
        offer: Offer,
        placement: tuple[str, ...],
        verdict: ClusterVerdict,
        left: Mapping[str, str],
        seen: Look,
    ) -> FailoverPlan:
        request, failover = self.request, self.policy.spec.failover
        report = seen.reports.get(request.cluster)
        epoch = request.epoch or (report.epoch if report else None)
        left = dict(left)
        packages = tuple(self._packages(lost, offer=offer, left=left, seen=seen))
        if not packages:
            found = "; ".join(f"{name}: {why}" for name, why in left.items())
            raise self._nothing("none of its packages can be moved", found=found)
        return FailoverPlan(
            id=failover_id(
                self.policy.name, cluster=request.cluster, epoch=epoch, run_id=request.run_id
            ),
            run=request.run,
            policy=self.policy.name,
            cluster=request.cluster,
            epoch=epoch,
            nodes=request.nodes,
            made=self.now,
            lost_since=self.now - timedelta(seconds=_silent_seconds(report, nodes=request.nodes)),
            by_hand=request.by_hand,
            source_stopped=request.source_stopped,
            approved=request.by_hand or failover.mode == "Approve",
            evidence=verdict.reasons,
            silent=verdict.all_silent or bool(request.nodes),
            grace_seconds=failover.grace_period_seconds,
            target=offer.cluster,
            packages=packages,
            left=tuple(f"{name}: {why}" for name, why in left.items()),
            placement=placement,
            fencing=tuple(self._fencing()),
            not_promised=tuple(
                not_promised(
                    lease=failover.lease_seconds is not None,
                    stopped=request.source_stopped,
                    silent=verdict.all_silent,
                    cold=[one.name for one in packages if one.starts_cold],
                )
            ),
            stays_behind=tuple(_stays_behind(packages, seen=seen)),
            notes=tuple(self._notes(lost)),
            lease_seconds=failover.lease_seconds,
            unconfirmed=failover.unconfirmed_fencing,
            limits=failover.limits.as_claim_limits(),
            seconds=round(time.monotonic() - self.began, 3),
        )

    def _packages(
        self,
        lost: Sequence[LostPackage],
        *,
        offer: Offer,
        left: dict[str, str],
        seen: Look,
    ) -> Iterator[PackageFailover]:
        for one in lost:
            choice = offer.choices.get(one.name)
            if choice is None:
                continue
            namespace = one.namespace or (choice.point.namespace if choice.point else None)
            manifests = self._manifests_of(one, point=choice.point, seen=seen)
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
                )

    def _manifests_of(
        self, one: LostPackage, *, point: RestorePoint | None, seen: Look
    ) -> str | None:
        """The cluster whose repository the target's manifests come from.

        A cold start takes those of the policy's source: elsewhere they name checkpoint images. What
        a planned move has promoted already stays as it is.
        """
        if one.half_moved_to:
            return one.half_moved_to
        if point is not None or self.request.cluster == self.policy.source.name:
            return self.request.cluster
        files = seen.files.get(self.policy.source.name) or {}
        return self.policy.source.name if files.get(one.name) else None

    def _package(
        self,
        one: LostPackage,
        *,
        choice: Choice,
        target: str,
        namespace: str,
        manifests: str,
    ) -> PackageFailover:
        point = choice.point
        return PackageFailover(
            source=package_on(self.policy, package=one.selector, cluster=self.request.cluster),
            target=package_on(self.policy, package=one.selector, cluster=target),
            workload_kind=one.workload.kind,
            workload=one.workload.name,
            namespace=namespace,
            pod_labels=dict(one.workload.labels),
            replicas=one.workload.replicas or 1,
            restore_point=point.id if point else None,
            created=point.created if point else None,
            images=point.images if point else {},
            size_bytes=sum(each.size_bytes for each in point.containers) if point else 0,
            manifests=package_on(self.policy, package=one.selector, cluster=manifests),
            passed_over=tuple(_shown(choice)),
            stopped_by=one.stopped_by,
            elsewhere=self._elsewhere(one, target=target) if one.stopped_by else (),
            half_moved=one.half_moved_to is not None,
        )

    def _elsewhere(self, one: LostPackage, *, target: str) -> tuple[ClusterPackage, ...]:
        others = [
            each for each in self.policy.clusters if each not in {self.request.cluster, target}
        ]
        return tuple(package_on(self.policy, package=one.selector, cluster=each) for each in others)

    def _fencing(self) -> Iterator[str]:
        cluster = self.request.cluster
        yield f"git: one commit scales the packages to 0 in the repository of {cluster}"
        yield "api: its API server, if it answers"
        if self.receiver is not None:
            yield "agents: they stop the pods before anything else when they are heard again"
        if self.policy.spec.failover.lease_seconds:
            yield f"lease: {self.policy.spec.failover.lease_seconds} s, enforced on its nodes"
        yield "hook: [transition] fencing_hook, if one is set"
        if self.request.source_stopped:
            yield "person: whoever started the run says that the source is stopped"

    def _notes(self, lost: Sequence[LostPackage]) -> Iterator[str]:
        if self.receiver is None:
            yield (
                "there is no receiver of heartbeats: no agent is asked, and nothing but this "
                "DAG keeps a second run away"
            )
        for one in lost:
            if one.stopped_by:
                yield f"{one.name} was scaled to 0 by {one.stopped_by} and came up nowhere"
            if one.half_moved_to:
                yield f"a planned move of {one.name} to {one.half_moved_to} was under way"
        yield f"when {self.request.cluster} returns nothing is moved back: start the failback DAG"

    def _nothing(self, what: str, *, found: str | None = None) -> NothingToMoveError:
        return NothingToMoveError(
            what, where=self.request.cluster, found=found, do="nothing is to be done"
        )


def _shown(choice: Choice) -> Iterator[str]:
    """The newest that were passed over: the plan travels from task to task."""
    yield from map(str, choice.passed_over[:_MOST_SHOWN])
    more = len(choice.passed_over) - _MOST_SHOWN
    if more > 0:
        yield f"and {more} before them"


def _silent_seconds(report: ClusterReport | None, *, nodes: Sequence[str]) -> float:
    """Since the cluster, or these nodes of it, were last heard; 0 where nothing is known."""
    counted = agents(report) if report else ()
    ages = [node.silent_seconds for node in counted if not nodes or node.node in nodes]
    return min((age for age in ages if age is not None), default=0)


def _stays_behind(packages: Sequence[PackageFailover], *, seen: Look) -> Iterator[str]:
    for package in packages:
        files = seen.files.get(package.manifests.cluster) or {}
        for line in stays_behind(files.get(package.name) or {}):
            yield f"{package.name}: {line}"
