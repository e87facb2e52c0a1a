"""The health that a DAG waits for, of a node or of a cluster, by heartbeats alone."""

from pydantic import Field
from transition_wire.model import DnsSubdomain, WireModel

from airflow_transition.core.cluster_health import ApiSign, SecondSignal, cluster_verdict
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health

_BY_HEARTBEATS = SecondSignal(ApiSign.SILENT)
"""Whoever waits for silence is not told whether the API server contradicts it."""


class AwaitedHealth(WireModel):
    """What is waited for."""

    cluster: DnsSubdomain
    node: DnsSubdomain | None = None
    """None: the cluster as a whole."""
    health: Health
    grace_seconds: float = Field(gt=0)
    silent_nodes_percent: int = Field(default=100, ge=1, le=100)
    """The share of its agents that has to be silent for a cluster to be NotReady."""

    def __str__(self) -> str:
        return f"{self.cluster}{f'/{self.node}' if self.node else ''} {self.health}"

    def found(self, fleet: FleetReport) -> Health:
        """The health now; what the receiver has never heard of is Unknown."""
        for report in fleet.clusters:
            if report.cluster == self.cluster:
                return self._of(report)
        return Health.UNKNOWN

    def _of(self, report: ClusterReport) -> Health:
        if self.node is None:
            return cluster_verdict(
                report, silent_nodes_percent=self.silent_nodes_percent, second=_BY_HEARTBEATS
            ).health
        nodes = {node.node: node.health for node in report.nodes}
        return nodes.get(self.node, Health.UNKNOWN)
