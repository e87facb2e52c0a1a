"""Checks of one cluster's nodes: what Kubernetes says of them, and what their agents measured."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from transition_wire.node_facts import NodeFacts

from airflow_transition.core.doctor import Check, Finding, Ill, Status, by_node
from airflow_transition.core.health_report import ClusterReport, Health, NodeReport
from airflow_transition.core.node_parity import criu_of, runtime_of
from airflow_transition.core.node_state import NodeState
from airflow_transition.core.runc_conf_checks import runc_conf_findings
from airflow_transition.core.versions import Version, line_of, version

OLDEST_KUBERNETES = (1, 30)
"""ContainerCheckpoint is on by default from here on."""
OLDEST_CRIU = (4, 1, 1)
"""The guide's."""
_SKEW_KUBELETS = 3
"""How many minor versions a kubelet may be behind its API server."""
_CLOCK_SKEW = timedelta(seconds=5)

_PREPARE = "docs/how-to/prepare-nodes.md"
_S3_CURE = (
    "see its S3_ENDPOINT_URL, its key and the network policy: the agent's log names the error"
)


@dataclass(frozen=True)
class Cluster:
    """What was found out of one cluster; None: it could not be."""

    name: str
    version: str | None
    """Of the API server: `v1.36.2`."""
    nodes: tuple[NodeState, ...] | None
    facts: Mapping[str, NodeFacts] | None
    """By node."""
    is_target: bool
    """Something may be restored on it, not only checkpointed."""
    heard: frozenset[str] = frozenset()
    """Nodes whose agents the receiver hears."""


def node_findings(cluster: Cluster, *, now: datetime, fresh: timedelta) -> Iterator[Finding]:
    """Everything that can be said of the nodes by what was found out."""
    yield from _kubernetes(cluster)
    if cluster.nodes is None:
        return
    if not cluster.nodes:
        yield _finding(
            cluster,
            Check.NODES_READY,
            (Status.FAILED, "no Linux node", "add one, or correct the connection"),
        )
        return
    yield from _ready(cluster)
    yield from _kubelets(cluster)
    yield from _runtimes(cluster)
    if cluster.facts is not None:
        yield from _agents(cluster, now=now, fresh=fresh)
        if cluster.facts:
            yield from _criu(cluster)
            yield from _runc(cluster)
            yield from runc_conf_findings(cluster.name, facts=cluster.facts)


def _finding(cluster: Cluster, check: Check, ill: Ill) -> Finding:
    status, found, cure = ill
    return Finding(check=check, status=status, subject=cluster.name, found=found, cure=cure)


def _kubernetes(cluster: Cluster) -> Iterator[Finding]:
    if cluster.version is None:
        return
    own = version(cluster.version)
    if own is None or line_of(own) < OLDEST_KUBERNETES:
        ill = (Status.FAILED, f"{cluster.version}", "upgrade it to 1.30 or newer")
        yield _finding(cluster, Check.KUBERNETES, ill)
        return
    yield Finding(
        check=Check.KUBERNETES, status=Status.OK, subject=cluster.name, found=cluster.version
    )


def _ready(cluster: Cluster) -> list[Finding]:
    cure = f"kubectl --context {cluster.name} describe node: its conditions say why"
    ills = {
        node.name: [] if node.ready else [(Status.WARNING, "not Ready", cure)]
        for node in cluster.nodes or ()
    }
    ready = sum(node.ready for node in cluster.nodes or ())
    if not ready:
        return [_finding(cluster, Check.NODES_READY, (Status.FAILED, "no node is Ready", cure))]
    return by_node(Check.NODES_READY, subject=cluster.name, ills=ills, well=f"{ready} nodes")


def _kubelets(cluster: Cluster) -> list[Finding]:
    nodes = cluster.nodes or ()
    usual = _usual([node.kubelet for node in nodes])
    ills = {node.name: list(_kubelet_ills(node, cluster=cluster, usual=usual)) for node in nodes}
    return by_node(Check.KUBELET, subject=cluster.name, ills=ills, well=f"{usual} on every node")


def _kubelet_ills(node: NodeState, *, cluster: Cluster, usual: str) -> Iterator[Ill]:
    own, server = version(node.kubelet), version(cluster.version)
    if own is None or line_of(own) < OLDEST_KUBERNETES:
        yield Status.FAILED, f"kubelet {node.kubelet} cannot checkpoint", "upgrade it to 1.30"
    elif server is not None and not 0 <= _minor(server) - _minor(own) <= _SKEW_KUBELETS:
        found = f"kubelet {node.kubelet} under an API server {cluster.version}"
        yield Status.WARNING, found, "upgrade the older one: Kubernetes supports no such pair"
    elif node.kubelet != usual:
        found = f"kubelet {node.kubelet}, others have {usual}"
        yield Status.WARNING, found, "bring the nodes to one version"


def _runtimes(cluster: Cluster) -> list[Finding]:
    nodes = cluster.nodes or ()
    usual = _usual([_runtime(node) for node in nodes])
    ills = {node.name: list(_runtime_ills(node, cluster=cluster, usual=usual)) for node in nodes}
    return by_node(Check.RUNTIME, subject=cluster.name, ills=ills, well=f"{usual} on every node")


def _runtime_ills(node: NodeState, *, cluster: Cluster, usual: str) -> Iterator[Ill]:
    facts = (cluster.facts or {}).get(node.name)
    able = runtime_of(node.runtime, node.runtime_version, node=node.name, facts=facts)
    status = Status.FAILED if cluster.is_target else Status.WARNING
    for reason in able.against:
        where = "" if cluster.is_target else ": what left cannot come back"
        yield status, f"{reason}{where}", f"install containerd 2.3.4: {_PREPARE}, step 1"
    for remark in able.remarks:
        yield Status.UNKNOWN, remark, f"see that it is switched on: {_PREPARE}, step 4"
    if _runtime(node) != usual:
        found = f"{_runtime(node)}, others have {usual}"
        yield Status.WARNING, found, "bring the nodes to one version"


def _runtime(node: NodeState) -> str:
    return f"{node.runtime} {node.runtime_version}"


def _agents(cluster: Cluster, *, now: datetime, fresh: timedelta) -> list[Finding]:
    facts = cluster.facts or {}
    cure = f"run the agent there: {_PREPARE}, step 6"
    ills: dict[str, list[Ill]] = {}
    for node in cluster.nodes or ():
        known = facts.get(node.name)
        found: list[Ill] = []
        if node.name in cluster.heard and (known is None or now - known.measured > fresh):
            text = f"its agent is heard, and wrote no facts for {_minutes(fresh)}: S3 is away"
            found.append((Status.FAILED, text, _S3_CURE))
        elif known is None:
            found.append((Status.FAILED, "no agent has written facts of it", cure))
        elif now - known.measured > fresh:
            text = f"its facts are older than {_minutes(fresh)}"
            found.append((Status.FAILED, text, "see why its agent is silent: its log says it"))
        elif _as_written(known, of=node) not in (None, node.runtime_version):
            text = f"its agent measured another {node.runtime} than the kubelet uses"
            found.append((Status.WARNING, text, "remove the one in PATH that does not run"))
        ills[node.name] = found
    there = {node.name for node in cluster.nodes or ()}
    for name in facts.keys() - there:
        text = "facts of a node that the cluster does not have"
        cure_of = "nothing if it was removed; else give its agent the node's name"
        ills[name] = [(Status.WARNING, text, cure_of)]
    return by_node(Check.AGENT, subject=cluster.name, ills=ills, well=f"on all {len(there)} nodes")


def _minutes(duration: timedelta) -> str:
    return f"{int(duration.total_seconds() // 60)} min"


def _as_written(facts: NodeFacts, *, of: NodeState) -> str | None:
    measured = {"containerd": facts.containerd, "cri-o": facts.crio, "podman": facts.podman}
    found = measured.get(of.runtime)
    return found.removeprefix("v") if found else None


def _criu(cluster: Cluster) -> list[Finding]:
    facts = cluster.facts or {}
    ills = {name: list(_criu_ills(node)) for name, node in facts.items()}
    usual = _usual([str(node.criu) for node in facts.values()])
    well = f"{usual}, criu check passes"
    return by_node(Check.CRIU, subject=cluster.name, ills=ills, well=well)


def _criu_ills(node: NodeFacts) -> Iterator[Ill]:
    cure = f"install CRIU 4.2: {_PREPARE}, step 2"
    if node.criu is not None and node.criu_check is None:
        run = "let the timer or the component node-facts run there: docs/reference/agent.md"
        yield Status.UNKNOWN, f"CRIU {node.criu}, criu check was never run", run
        return
    able = criu_of(node)
    for reason in able.against:
        yield Status.FAILED, reason, cure
    own = version(node.criu)
    if not able.against and own is not None and own < OLDEST_CRIU:
        yield Status.WARNING, f"CRIU {node.criu} is older than the guide's 4.1.1", cure
    for remark in able.remarks:
        yield Status.FAILED, remark, cure


def _runc(cluster: Cluster) -> list[Finding]:
    facts = cluster.facts or {}
    usual = _usual([str(node.runc) for node in facts.values()])
    ills: dict[str, list[Ill]] = {}
    for name, node in facts.items():
        cure = f"install the same release on every node: {_PREPARE}, step 3"
        if node.runc is None:
            ills[name] = [(Status.WARNING, "no runc in the agent's PATH", cure)]
        elif node.runc != usual:
            ills[name] = [(Status.WARNING, f"runc {node.runc}, others have {usual}", cure)]
    return by_node(Check.RUNC, subject=cluster.name, ills=ills, well=f"{usual} on every node")


def heartbeat_findings(
    cluster: str, *, report: ClusterReport, nodes: Sequence[str] | None
) -> list[Finding]:
    """What the receiver hears of each node; None: the cluster does not tell which there are."""
    heard = {node.node: node for node in report.nodes}
    ills = {name: list(_heartbeat_ills(node)) for name, node in heard.items()}
    for name in nodes or ():
        if name not in heard:
            cure = "give its agent the receiver's address and a token: docs/reference/agent.md"
            ills[name] = [(Status.FAILED, "no heartbeat was ever heard", cure)]
    return by_node(
        Check.HEARTBEAT, subject=cluster, ills=ills, well=f"{len(heard)} agents are heard"
    )


def _heartbeat_ills(node: NodeReport) -> Iterator[Ill]:
    if node.health is Health.NOT_READY:
        yield Status.FAILED, "its agent is silent", "see its log, and the way to the receiver"
    elif node.health is Health.UNKNOWN:
        again = "ask again after the grace period"
        yield Status.UNKNOWN, "the receiver has not listened long enough", again
    if not node.trusted:
        cure = "give its agent a token: airflow transition token create"
        yield Status.WARNING, "its heartbeats carry no token, and count for nothing", cure
    if node.two_agents:
        cure = "stop one of them: a DaemonSet and a systemd unit both run, or a name is used twice"
        yield Status.FAILED, "two agents send in its name", cure
    skew = node.clock_skew_seconds
    if skew is not None and abs(skew) > _CLOCK_SKEW.total_seconds():
        yield Status.WARNING, "its clock is more than 5 s off", "let it synchronize: chrony or NTP"
    if node.memory_pressure:
        yield Status.WARNING, "memory pressure", "a dump needs room: free some, or add a node"


def _usual(values: Sequence[str]) -> str:
    """The most frequent, the largest of those."""
    counts = Counter(values)
    return max(counts, key=lambda one: (counts[one], version(one) or (), one), default="")


def _minor(of: Version) -> int:
    return line_of(of)[1]
