"""What the product decides at one moment: health, the fleet's report, the verdict, the claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from transition_wire.heartbeat import PodCopy

from airflow_transition.core.claim import Claim, ClaimRefusal, ClaimRequest
from airflow_transition.core.claims import decide_claim
from airflow_transition.core.cluster_health import ClusterVerdict, SecondSignal, cluster_verdict
from airflow_transition.core.health_report import ClusterReport, FleetReport, NodeReport
from airflow_transition.core.node_health import node_health

CLUSTER = "cluster1"
_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_PACKAGES = (PodCopy(package="web", namespace="shop", pod_labels={"app": "web"}),)


@dataclass(frozen=True)
class Moment:
    """The receiver, when it is asked."""

    now: float
    listening_since: float
    grace: float
    wall: timedelta = timedelta()
    """How far its wall clock is off: it steps by 30 s."""

    @property
    def wall_now(self) -> datetime:
        return _NOON + timedelta(seconds=self.now) + self.wall

    def node(self, name: str, last_seen: float | None) -> NodeReport:
        health = node_health(
            last_seen, listening_since=self.listening_since, now=self.now, grace_seconds=self.grace
        )
        return NodeReport(
            node=name,
            health=health,
            silent_seconds=None if last_seen is None else self.now - last_seen,
            trusted=True,
            last_seen=self.wall_now,
            clock_skew_seconds=self.wall.total_seconds(),
        )

    def fleet(self, clusters: Mapping[str, Sequence[float | None]]) -> FleetReport:
        """Judged by the last heartbeat of each node."""
        reports = tuple(
            ClusterReport(
                cluster=name,
                epoch=1,
                nodes=tuple(self.node(f"n{number}", seen) for number, seen in enumerate(nodes)),
            )
            for name, nodes in clusters.items()
        )
        return FleetReport(
            version=1,
            grace_seconds=self.grace,
            listening_seconds=self.now - self.listening_since,
            clusters=reports,
        )


def judge(fleet: FleetReport, *, second: SecondSignal) -> ClusterVerdict:
    """The first cluster's verdict, by the default share: all of its agents."""
    return cluster_verdict(fleet.clusters[0], silent_nodes_percent=100, second=second)


def ask(fleet: FleetReport, *, moment: Moment) -> Claim | ClaimRefusal:
    """An automatic failover asks for the claim on the first cluster, with the default limits."""
    request = ClaimRequest(
        policy="policy",
        epoch=1,
        run="failover.policy/1",
        packages=_PACKAGES,
        grace_seconds=moment.grace,
    )
    return decide_claim(
        request, cluster=CLUSTER, epoch=1, claims=(), fleet=fleet, now=moment.wall_now, fenced={}
    )
