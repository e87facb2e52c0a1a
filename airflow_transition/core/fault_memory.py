"""Which faults a policy has to be told of, and which it was told of already.

A fault is told once for each silence. The receiver's claims say what was acted on, also by an
earlier life of this memory; a fault that nobody claimed is told again, less and less often.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from airflow_transition.core.claim import Claim
from airflow_transition.core.cluster_health import (
    ApiSign,
    ClusterVerdict,
    SecondSignal,
    agents,
    cluster_verdict,
)
from airflow_transition.core.fault import Fault
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health, NodeReport

AGAIN_SECONDS = 600.0
"""After which a fault that nobody claimed is told again; then after twice as long."""
_AGAIN_MOST_SECONDS = 6 * 3600.0

NOT_ASKED = SecondSignal(ApiSign.NOT_KNOWN, "not asked yet")


@dataclass(frozen=True)
class FleetSight:
    """What is seen of all clusters at one moment; made once, and read by each policy."""

    fleet: FleetReport
    seconds: Mapping[str, SecondSignal]
    """Of clusters that are not heard, as far as they were asked."""
    claims: Mapping[str, Sequence[Claim]]
    """Of the same clusters."""
    at: float
    """When the receiver gave the report, on the monotonic clock of the one who asked."""
    seen: datetime

    @cached_property
    def reports(self) -> dict[str, ClusterReport]:
        return {report.cluster: report for report in self.fleet.clusters}

    @cached_property
    def silent(self) -> frozenset[str]:
        """Clusters with a silent agent."""
        return frozenset(self._with(Health.NOT_READY))

    @cached_property
    def unknown(self) -> frozenset[str]:
        """Clusters with an agent of which nothing is known."""
        return frozenset(self._with(Health.UNKNOWN))

    def _with(self, health: Health) -> Iterator[str]:
        for report in self.fleet.clusters:
            if any(node.health is health for node in agents(report)):
                yield report.cluster


@dataclass(frozen=True)
class Due:
    """A fault that is to be told now."""

    fault: Fault
    perhaps_told: bool
    """It may have been told before: it was there when this memory began, or nobody claimed it."""


@dataclass(frozen=True)
class _Told:
    again_at: float
    pause: float
    nodes: frozenset[str]
    """Empty: the whole cluster."""


@dataclass
class FaultMemory:
    """What one policy was told; `policy`, `clusters` and the share are the policy's."""

    policy: str
    clusters: Sequence[str]
    silent_nodes_percent: int
    _told: dict[str, _Told] = field(default_factory=dict, init=False)
    _began: float | None = field(default=None, init=False)

    def due(self, sight: FleetSight) -> list[Due]:
        """The faults of this sight that are to be told, new ones first; `tell` those that were."""
        if self._began is None:
            self._began = sight.at
        return sorted(self._each_due(sight), key=lambda due: due.fault.cluster in self._told)

    def _each_due(self, sight: FleetSight) -> Iterator[Due]:
        for cluster in self.clusters:
            report = sight.reports.get(cluster)
            if report is None:
                continue
            if cluster not in sight.silent:
                if cluster not in sight.unknown:
                    self._told.pop(cluster, None)
                continue
            due = self._due(report, sight=sight)
            if due is not None:
                yield due

    def tell(self, due: Due, *, now: float) -> None:
        """The fault was told."""
        cluster = due.fault.cluster
        before = self._told.get(cluster)
        pause = min(before.pause * 2, _AGAIN_MOST_SECONDS) if before else AGAIN_SECONDS
        self._told[cluster] = _Told(now + pause, pause, frozenset(due.fault.nodes))

    def _due(self, report: ClusterReport, *, sight: FleetSight) -> Due | None:
        cluster = report.cluster
        verdict = cluster_verdict(
            report,
            silent_nodes_percent=self.silent_nodes_percent,
            second=sight.seconds.get(cluster, NOT_ASKED),
        )
        if not verdict.lost and not verdict.lost_nodes:
            self._notice(report, verdict=verdict, sight=sight)
            return None
        lost = _lost(report, verdict=verdict)
        claims = _since(sight.claims.get(cluster, ()), nodes=lost)
        if any(claim.policy == self.policy for claim in claims):
            return None
        told = self._told.get(cluster)
        again = told is not None and _covers(told, verdict)
        if told is not None and again and sight.at < told.again_at:
            return None
        fault = _fault(
            self.policy, report=report, verdict=verdict, lost=lost, claims=claims, sight=sight
        )
        return Due(fault, perhaps_told=again or self._is_older(fault, at=sight.at))

    def _is_older(self, fault: Fault, *, at: float) -> bool:
        """Whether it was there already when this memory began."""
        began = at if self._began is None else self._began
        return fault.silent_seconds - fault.grace_seconds > at - began

    def _notice(self, report: ClusterReport, *, verdict: ClusterVerdict, sight: FleetSight) -> None:
        """Some of its agents are silent, and it is not lost.

        Another look of the API server ends no silence. Agents that speak again do, once all of
        them are known.
        """
        told = self._told.get(report.cluster)
        if told is None or report.cluster in sight.unknown:
            return
        silent = {node.node for node in agents(report) if node.health is Health.NOT_READY}
        over = verdict.health is Health.READY if not told.nodes else told.nodes.isdisjoint(silent)
        if over:
            del self._told[report.cluster]


def _covers(told: _Told, verdict: ClusterVerdict) -> bool:
    """Whether what is lost now was told."""
    if not told.nodes:
        return True
    return not verdict.lost and told.nodes.issuperset(verdict.lost_nodes)


def _lost(report: ClusterReport, *, verdict: ClusterVerdict) -> tuple[NodeReport, ...]:
    silent = (node for node in agents(report) if node.health is Health.NOT_READY)
    if verdict.lost:
        return tuple(silent)
    return tuple(node for node in silent if node.node in verdict.lost_nodes)


def _since(claims: Iterable[Claim], *, nodes: Sequence[NodeReport]) -> tuple[Claim, ...]:
    """Claims made while none of the nodes was heard any more: they are of this silence."""
    heard = [node.last_seen for node in nodes if node.last_seen is not None]
    return tuple(claim for claim in claims if not heard or claim.made >= max(heard))


def _fault(
    policy: str,
    *,
    report: ClusterReport,
    verdict: ClusterVerdict,
    lost: Sequence[NodeReport],
    claims: Sequence[Claim],
    sight: FleetSight,
) -> Fault:
    """The epoch is that of the silence: the claim of another policy may have raised it since."""
    raised = any(claim.epoch == report.epoch - 1 for claim in claims)
    ages = [node.silent_seconds for node in lost if node.silent_seconds is not None]
    return Fault(
        policy=policy,
        cluster=report.cluster,
        epoch=report.epoch - 1 if raised else report.epoch,
        nodes=verdict.lost_nodes,
        grace_seconds=sight.fleet.grace_seconds,
        silent_seconds=min(ages, default=sight.fleet.listening_seconds),
        evidence=verdict.reasons,
        seen=sight.seen,
    )
