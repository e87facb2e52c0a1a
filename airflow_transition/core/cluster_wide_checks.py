"""Checks of what a cluster says of itself beside its nodes: engines, and the cloud's controller."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from itertools import pairwise
from typing import Any

from airflow_transition.core.doctor import Check, Finding, Ill, Status, by_node
from airflow_transition.core.node_state import Network, NodeState

_SET_UP = "docs/how-to/management-cluster.md"
_ENGINES = {"argoproj.io": "Argo CD", "kustomize.toolkit.fluxcd.io": "Flux"}
_CIDR = re.compile(r"^--cluster-cidr=(?P<networks>\S+)$")
_CONTROLLER = "cloud-controller-manager"


def engine_finding(cluster: str, *, groups: Iterable[str]) -> Finding:
    """By the API groups that the cluster serves."""
    there = [name for group, name in _ENGINES.items() if group in set(groups)]
    if there:
        found = f"{' and '.join(there)} can apply its repository"
        return Finding(check=Check.GITOPS, status=Status.OK, subject=cluster, found=found)
    return Finding(
        check=Check.GITOPS,
        status=Status.UNKNOWN,
        subject=cluster,
        found="neither Argo CD nor Flux: whether anything applies its repository is not known",
        cure="install one of them there, or see that what you have instead runs",
    )


def cloud_networks(deployment: Mapping[str, Any]) -> tuple[Network, ...] | str | None:
    """Where a cloud controller takes the pods to be; a text: what is wrong with it.

    None: it is none, or it does not say.
    """
    pod = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
    for container in pod.get("containers") or ():
        words = [str(each) for each in (*(container.get("command") or ()), *_arguments(container))]
        if not any(_CONTROLLER in word for word in (*words, str(container.get("name", "")))):
            continue
        for word in words:
            if said := _CIDR.match(word):
                return _networks(said["networks"])
    return None


def cloud_network_findings(
    cluster: str, nodes: Sequence[NodeState], *, cloud: tuple[Network, ...] | str | None
) -> list[Finding]:
    """Whether every node's pods are where the cloud's controller makes routes to."""
    if cloud is None:
        return []
    cure = f"give its clusterCIDR the pods' network: {_SET_UP}, step 4"
    if isinstance(cloud, str):
        found = f"its --cluster-cidr is no network: {cloud}"
        return [_failed(cluster, found=found, cure=cure)]
    named = ", ".join(map(str, cloud))
    ill: Ill = (Status.FAILED, f"its pod network is outside of the controller's {named}", cure)
    ills = {node.name: [ill] * (not _within(node, cloud)) for node in nodes}
    return by_node(
        Check.CLOUD_NETWORK, subject=cluster, ills=ills, well=f"all pods are inside its {named}"
    )


def _arguments(container: Mapping[str, Any]) -> Iterator[str]:
    """`--cluster-cidr 10.0.0.0/8` is written as two."""
    words = [str(each) for each in container.get("args") or ()]
    for word, following in pairwise([*words, ""]):
        yield f"{word}={following}" if word == "--cluster-cidr" else word


def _networks(text: str) -> tuple[Network, ...] | str:
    try:
        return tuple(ip_network(each) for each in text.split(","))
    except ValueError:
        return text[:40]


def _within(node: NodeState, cloud: tuple[Network, ...]) -> bool:
    return all(
        any(one.version == each.version and one.subnet_of(each) for each in cloud)  # type: ignore[arg-type]  # both are of one version
        for one in node.pod_networks
        if one.version in {each.version for each in cloud}
    )


def _failed(cluster: str, *, found: str, cure: str) -> Finding:
    return Finding(
        check=Check.CLOUD_NETWORK, status=Status.FAILED, subject=cluster, found=found, cure=cure
    )
