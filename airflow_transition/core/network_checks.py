"""Checks of a cluster's pod network: one network, said by everybody in the same way."""

import json
from collections.abc import Iterator, Sequence
from ipaddress import ip_network

from airflow_transition.core.doctor import Check, Finding, Ill, Status, by_node
from airflow_transition.core.node_state import Network, NodeState

_SET_UP = "docs/how-to/management-cluster.md"


def network_findings(
    cluster: str, nodes: Sequence[NodeState], *, flannel: Network | str | None
) -> Iterator[Finding]:
    """`flannel`: the network of its configuration, or why that is not known; None: not asked."""
    ills = {node.name: list(_ills(node, flannel=flannel)) for node in nodes}
    for one, other in _overlapping(nodes):
        cure = "delete one of the two Node objects, so that it gets a network of its own"
        ills[one].append((Status.FAILED, f"its pod network overlaps that of {other}", cure))
    yield from by_node(Check.POD_NETWORK, subject=cluster, ills=ills, well=_well(nodes, flannel))
    yield from _cloud_controller(cluster, nodes)
    if any(node.flannel for node in nodes):
        yield Finding(
            check=Check.NETWORK_POLICY,
            status=Status.WARNING,
            subject=cluster,
            found="Flannel enforces no NetworkPolicy: only Services keep to a closed door",
            cure=f"add a policy engine, or take a CNI that has one: {_SET_UP}, step 3",
        )


def flannel_network(net_conf: str) -> Network | str:
    """The network in Flannel's `net-conf.json`; else what is wrong with it."""
    try:
        return ip_network(json.loads(net_conf)["Network"])
    except (ValueError, KeyError, TypeError):
        return "net-conf.json of kube-flannel-cfg names no IPv4 network"


def _well(nodes: Sequence[NodeState], flannel: Network | str | None) -> str:
    if not any(node.pod_networks for node in nodes):
        return "the CNI gives out addresses by itself"
    inside = "" if flannel is None else f", all inside Flannel's {flannel}"
    return f"{len(nodes)} pod networks, none overlaps another{inside}"


def _ills(node: NodeState, *, flannel: Network | str | None) -> Iterator[Ill]:
    for text in node.unreadable_networks:
        yield Status.FAILED, f"its pod network {text[:40]} is none", "correct spec.podCIDR"
    if not node.network_up:
        cure = "see the log of the CNI's pod on that node"
        yield Status.FAILED, "its network is not up (NetworkUnavailable)", cure
    if not node.flannel:
        return
    if not node.pod_networks:
        cure = f"let the controller manager give out networks (--allocate-node-cidrs): {_SET_UP}"
        yield Status.FAILED, "it has no pod network: Flannel does not route to it", cure
    if isinstance(flannel, str):
        yield (
            Status.UNKNOWN,
            f"Flannel's own network is not known: {flannel}",
            f"compare them by hand: {_SET_UP}, step 3",
        )
    elif flannel is not None:
        cure = f"say one network in all three places: {_SET_UP}, step 2"
        if not all(_inside(one, flannel) for one in node.pod_networks):
            yield Status.FAILED, f"its pod network is outside of Flannel's {flannel}", cure


def _inside(network: Network, around: Network) -> bool:
    if network.version != around.version:
        return True  # Flannel's IPv6 network stands in a field of its own
    return network.subnet_of(around)  # type: ignore[arg-type]  # both are of one version


def _overlapping(nodes: Sequence[NodeState]) -> Iterator[tuple[str, str]]:
    """Networks are nested or apart: by address, each follows the one that holds it."""
    owned = [(network, node.name) for node in nodes for network in node.pod_networks]
    for number in (4, 6):
        kind = [one for one in owned if one[0].version == number]
        kind.sort(key=lambda one: (int(one[0].network_address), one[0].prefixlen))
        for (around, owner), (network, name) in _with_holder(kind):
            if network.overlaps(around):
                yield name, owner


def _with_holder(
    owned: Sequence[tuple[Network, str]],
) -> Iterator[tuple[tuple[Network, str], tuple[Network, str]]]:
    """Each network after the first, with the one before that reaches furthest."""
    holder = None
    for one in owned:
        if holder is not None:
            yield holder, one
        if holder is None or _end(one[0]) > _end(holder[0]):
            holder = one


def _end(network: Network) -> int:
    return int(network.broadcast_address)


def _cloud_controller(cluster: str, nodes: Sequence[NodeState]) -> list[Finding]:
    cure = f"see the log of the cloud controller: {_SET_UP}, step 4"
    found = "the cloud controller has not taken it up; nothing is scheduled on it"
    ills: dict[str, list[Ill]] = {
        node.name: [(Status.FAILED, found, cure)] for node in nodes if not node.initialized
    }
    return by_node(Check.CLOUD_CONTROLLER, subject=cluster, ills=ills, well="no node waits for one")
