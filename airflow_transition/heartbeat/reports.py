"""What the receiver knows, in the shape that people and tasks are told."""

from datetime import UTC, datetime

from airflow_transition.core.claim import Claim, PackageFence
from airflow_transition.core.health_report import ClusterReport, FleetReport, NodeReport
from airflow_transition.core.leases import lease_expired
from airflow_transition.heartbeat.node import Node
from airflow_transition.heartbeat.receiver import Receiver
from airflow_transition.heartbeat.watch import Watch


def fleet_report(receiver: Receiver, *, watch: Watch) -> FleetReport:
    """Values that were checked when they came in are not checked again: a fleet can be large."""
    return FleetReport.model_construct(
        version=watch.version,
        grace_seconds=watch.grace_seconds,
        listening_seconds=listening_seconds(receiver),
        clusters=tuple(
            _cluster(receiver, name=name, watch=watch) for name in receiver.fleet.clusters()
        ),
    )


def cluster_report(receiver: Receiver, *, cluster: str, watch: Watch) -> ClusterReport | None:
    """None: no node of such a cluster is known, and it was never given up."""
    known = receiver.fleet.nodes(cluster) or cluster in receiver.promises.clusters
    return _cluster(receiver, name=cluster, watch=watch) if known else None


def package_fences(receiver: Receiver, *, claim: Claim) -> list[PackageFence]:
    """How far each package of a claim is kept from running on the cluster that was given up."""
    return [
        _fence(receiver, claim=claim, key=(copy.namespace, copy.package)) for copy in claim.packages
    ]


def listening_seconds(receiver: Receiver) -> float:
    now = receiver.now()
    return max(0.0, now - receiver.watches.listening.since_at(now))


def _cluster(receiver: Receiver, *, name: str, watch: Watch) -> ClusterReport:
    now = receiver.now()
    return ClusterReport.model_construct(
        cluster=name,
        epoch=receiver.promises.of(name).epoch,
        nodes=tuple(_node(node, watch=watch, now=now) for node in receiver.fleet.nodes(name)),
    )


def _node(node: Node, *, watch: Watch, now: float) -> NodeReport:
    return NodeReport.model_construct(
        node=node.node,
        health=watch.health(node),
        silent_seconds=None if node.heard is None else max(0.0, now - node.heard),
        trusted=node.trusted,
        boot_id=node.identities[0][0] or None if node.identities else None,
        agent_version=node.agent_version,
        last_seen=None if node.last_seen is None else datetime.fromtimestamp(node.last_seen, UTC),
        clock_skew_seconds=node.skew,
        two_agents=node.two_agents(now),
        memory_pressure=node.memory_pressure,
        free_bytes=node.free_bytes,
        last_upload_seconds=node.last_upload_seconds,
        containers=node.containers,
    )


def _fence(receiver: Receiver, *, claim: Claim, key: tuple[str, str]) -> PackageFence:
    namespace, package = key
    nodes = [node for node in receiver.fleet.nodes(claim.cluster) if node.trusted]
    fenced = tuple(node.node for node in nodes if claim.id in node.fenced)
    promised = receiver.promises.of(claim.cluster)
    lease = promised.lease(key)
    return PackageFence(
        package=package,
        namespace=namespace,
        nodes_silent_seconds=_silent_seconds(receiver, nodes=nodes),
        nodes_fenced=fenced,
        nodes_open=tuple(node.node for node in nodes if node.node not in fenced),
        lease_seconds=None if lease is None else lease.duration_seconds,
        lease_expired=lease is not None
        and lease_expired(
            promised.longest_seconds[key],
            nodes=receiver.grants.node_leases(nodes, key=key),
            receiver_started=receiver.started,
            fenced=promised.is_fenced(key),
            now=receiver.now(),
        ),
    )


def _silent_seconds(receiver: Receiver, *, nodes: list[Node]) -> float | None:
    """A node that was not heard since the receiver started has been silent at least so long."""
    if not nodes:
        return None
    now = receiver.now()
    return min(
        listening_seconds(receiver) if node.heard is None else max(0.0, now - node.heard)
        for node in nodes
    )
