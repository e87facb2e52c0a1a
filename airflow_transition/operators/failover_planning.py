"""Make the plan of a failover from what is seen; nothing is touched."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_transition.core.cluster_health import (
    ApiSign,
    ClusterVerdict,
    agents,
    cluster_verdict,
)
from airflow_transition.core.cluster_package import package_on
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.failover import (
    FailoverPlan,
    PackageFailover,
    failover_id,
    not_promised,
)
from airflow_transition.core.failover_choice import Need, Offer, Targets, choose_target
from airflow_transition.core.health_report import ClusterReport, Health
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.placement import Candidate, Freshness
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.restore_points import Choice, RestorePoint
from airflow_transition.operators.failover_look import Look, look, restore_points
from airflow_transition.operators.lost_packages import LostPackage, LostPackages
from airflow_transition.operators.preflight import NoTargetError

if TYPE_CHECKING:
    from transition_wire.node_facts import NodeFacts

    from airflow_transition.hooks.heartbeat import HeartbeatHook

_FACTS_LIMIT = timedelta(minutes=30)
"""As for a planned move: three times the interval at which an agent writes its node's facts."""


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
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = field(default_factory=time.monotonic)

    def plan(self) -> FailoverPlan:
        seen = self._look()
        verdict = self._confirmed(seen)
        packages = LostPackages(
            self.policy, cluster=self.request.cluster, seen=seen, run=self.request.run
        )
        lost = packages.find()
        if not lost:
            stays = "; ".join(f"{name}: {why}" for name, why in packages.left.items())
            raise self._nothing("no package of the policy runs on it", found=stays or None)
        offer, placement = self._choose(lost, seen=seen)
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
        if not (verdict.lost or self.request.by_hand):
            raise self._nothing("the cluster is not lost (any more)", found=str(verdict))
        return verdict

    def _choose(self, lost: Sequence[LostPackage], *, seen: Look) -> tuple[Offer, tuple[str, ...]]:
        failover = self.policy.spec.failover
        points = restore_points(self.policy, found=seen, packages=[one.selector for one in lost])
        needs = [
            Need(
                one.name,
                points=points.get(one.name, ()) if _has_memory(one) else (),
                cold=failover.cold_start or not _needs_memory(one),
            )
            for one in lost
        ]
        choice = choose_target(
            needs,
            targets=self._targets(lost, seen=seen),
            now=self.now,
            max_age=failover.max_restore_point_age,
        )
        placement = tuple(str(offer) for offer in choice.offers)
        if choice.offer is None:
            raise NoTargetError(
                "no cluster can take the packages",
                where=f"policy {self.policy.name}, target {self.request.target}",
                found="; ".join(placement) or "no candidate",
                do="see the reasons; failover.coldStart starts packages without their memory",
            )
        return choice.offer, placement

    def _targets(self, lost: Sequence[LostPackage], *, seen: Look) -> Targets:
        wanted = self.policy.spec.target_cluster_policy
        candidates = [Candidate(each.name, weight=each.weight) for each in wanted.prefer_clusters]
        if self.policy.source.name != self.request.cluster:
            candidates.append(Candidate(self.policy.source.name))
        unfit = dict(_unfit(seen))
        half_moved = {one.half_moved_to for one in lost if one.half_moved_to}
        for name in {each.name for each in candidates} if half_moved else ():
            if half_moved != {name}:
                unfit[name] = f"a planned move to {', '.join(sorted(half_moved))} was under way"
        return Targets(
            candidates=candidates,
            avoid=[each.name for each in wanted.avoid_clusters],
            lost=self.request.cluster,
            facts=_fit_nodes(seen),
            unfit=unfit,
            forced=None if self.request.target == AUTOMATIC else self.request.target,
            freshness=Freshness(now=self.now, limit=_FACTS_LIMIT),
        )

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
            lost_since=self.now - timedelta(seconds=_silent_seconds(report)),
            by_hand=request.by_hand,
            source_stopped=request.source_stopped,
            approved=request.by_hand or failover.mode == "Approve",
            evidence=verdict.reasons,
            silent=verdict.all_silent,
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
            passed_over=tuple(map(str, choice.passed_over)),
            stopped_by=one.stopped_by,
            half_moved=one.half_moved_to is not None,
        )

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


def _has_memory(one: LostPackage) -> bool:
    """Whether a restore point is chosen; what a planned move has promoted is newer than any."""
    return one.selector.live_state_package and not one.half_moved_to


def _needs_memory(one: LostPackage) -> bool:
    return one.selector.package_type == "Stateful" and not one.half_moved_to


def _unfit(seen: Look) -> Iterator[tuple[str, str]]:
    """Clusters that cannot take anything now."""
    for cluster, signal in seen.signals.items():
        if signal.sign is not ApiSign.ANSWERS and signal.sign is not ApiSign.NODES_NOT_READY:
            yield cluster, str(signal)
    for cluster, report in seen.reports.items():
        counted = agents(report)
        if counted and all(node.health is Health.NOT_READY for node in counted):
            yield cluster, "all its agents are silent"
    for cluster, files in seen.files.items():
        if files is None:
            yield cluster, "its repository does not answer"


def _fit_nodes(seen: Look) -> "dict[str, list[NodeFacts]]":
    """Facts of each cluster's nodes, without those that are silent."""
    silent = {
        (cluster, node.node)
        for cluster, report in seen.reports.items()
        for node in agents(report)
        if node.health is Health.NOT_READY
    }
    return {
        cluster: [one for one in facts if (cluster, one.node) not in silent]
        for cluster, facts in seen.facts.items()
    }


def _silent_seconds(report: ClusterReport | None) -> float:
    """Since the cluster was last heard; 0 where nothing is known of it."""
    ages = [node.silent_seconds for node in agents(report)] if report else []
    return min((age for age in ages if age is not None), default=0)
