"""What Kubernetes says of a node: the parts of its Node object that decide about moves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Self

Network = IPv4Network | IPv6Network

_UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
_FLANNEL = "flannel.alpha.coreos.com/backend-type"


@dataclass(frozen=True)
class NodeState:
    """One Linux node as its kubelet and the cluster's controllers describe it."""

    name: str
    ready: bool
    schedulable: bool
    kubelet: str
    """`v1.36.2`."""
    runtime: str
    """`containerd`, `cri-o`, `podman`."""
    runtime_version: str
    kernel: str
    pod_networks: tuple[Network, ...]
    unreadable_networks: tuple[str, ...]
    """What the object has as pod networks and is none."""
    network_up: bool
    initialized: bool
    """The cloud's controller has taken it up, where there is one."""
    flannel: bool

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self:
        """From a Node object; what a server left out is taken as empty."""
        metadata, spec = item.get("metadata") or {}, item.get("spec") or {}
        status = item.get("status") or {}
        machine = status.get("nodeInfo") or {}
        conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
        runtime, _, runtime_version = str(machine.get("containerRuntimeVersion", "")).partition(
            "://"
        )
        written = _written_networks(spec)
        networks = {text: _network(text) for text in written}
        return cls(
            name=str(metadata.get("name", "")),
            ready=conditions.get("Ready") == "True",
            schedulable=not spec.get("unschedulable"),
            kubelet=str(machine.get("kubeletVersion", "")),
            runtime=runtime,
            runtime_version=runtime_version,
            kernel=str(machine.get("kernelVersion", "")),
            pod_networks=tuple(one for one in networks.values() if one is not None),
            unreadable_networks=tuple(text for text, one in networks.items() if one is None),
            network_up=conditions.get("NetworkUnavailable", "False") == "False",
            initialized=_UNINITIALIZED not in {one.get("key") for one in spec.get("taints") or ()},
            flannel=_FLANNEL in (metadata.get("annotations") or {}),
        )


def linux_nodes(items: Iterator[Mapping[str, Any]]) -> tuple[NodeState, ...]:
    """Those that can run what is moved, by name."""
    states = [
        NodeState.of(item)
        for item in items
        if ((item.get("status") or {}).get("nodeInfo") or {}).get("operatingSystem") == "linux"
    ]
    return tuple(sorted(states, key=lambda state: state.name))


def _written_networks(spec: Mapping[str, Any]) -> list[str]:
    several = spec.get("podCIDRs") or ()
    return list(several) or ([spec["podCIDR"]] if spec.get("podCIDR") else [])


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None
