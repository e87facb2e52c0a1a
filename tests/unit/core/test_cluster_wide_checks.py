"""Engines, the cloud controller's network, and runc.conf, as the doctor sees them."""

from collections.abc import Iterable
from typing import Any

import pytest

from airflow_transition.core.cluster_wide_checks import (
    cloud_network_findings,
    cloud_networks,
    engine_finding,
)
from airflow_transition.core.doctor import Finding, Status
from airflow_transition.core.node_state import NodeState, linux_nodes
from airflow_transition.core.runc_conf_checks import runc_conf_findings
from tests.unit.core.test_doctor import facts, node


def nodes(*networks: str) -> tuple[NodeState, ...]:
    named = zip("abc", networks, strict=False)
    return linux_nodes(iter(node(f"node-{name}", spec={"podCIDR": one}) for name, one in named))


def controller(*command: str, args: Iterable[str] = (), name: str = "manager") -> dict[str, Any]:
    container = {"name": name, "command": list(command), "args": list(args)}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


def cloud(text: str, *networks: str) -> list[Finding]:
    said = cloud_networks(controller("cloud-controller-manager", f"--cluster-cidr={text}"))
    return cloud_network_findings("c", nodes(*networks), cloud=said)


def test_the_guides_own_contradiction_is_found() -> None:
    """Flannel's 10.244.0.0/16, and 192.168.0.0/16 in the cloud controller's chart."""
    (finding,) = cloud("192.168.0.0/16", "10.244.0.0/24", "10.244.1.0/24")
    assert finding.status is Status.FAILED
    assert finding.nodes == ("node-a", "node-b")
    assert "clusterCIDR" in str(finding.cure)


@pytest.mark.parametrize("text", ["10.244.0.0/16", "10.244.0.0/16,fd00::/48"])
def test_pods_inside_the_controllers_network_are_well(text: str) -> None:
    (finding,) = cloud(text, "10.244.0.0/24")
    assert finding.status is Status.OK


def test_what_is_no_network_is_told() -> None:
    (finding,) = cloud("ten.244", "10.244.0.0/24")
    assert (finding.status, "ten.244" in finding.found) == (Status.FAILED, True)


def test_it_is_found_in_the_arguments_too_and_nowhere_else() -> None:
    written = ["--v=2", "--cluster-cidr", "10.0.0.0/8"]
    found = cloud_networks(controller(args=written, name="cloud-controller-manager"))
    assert [str(one) for one in found or ()] == ["10.0.0.0/8"]
    assert cloud_networks(controller("coredns", "--cluster-cidr=10.0.0.0/8")) is None
    assert cloud_networks(controller("cloud-controller-manager")) is None
    assert cloud_networks({}) is None
    assert cloud_network_findings("c", nodes("10.244.0.0/24"), cloud=None) == []


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        ({"argoproj.io"}, "Argo CD can"),
        ({"kustomize.toolkit.fluxcd.io"}, "Flux can"),
        ({"argoproj.io", "kustomize.toolkit.fluxcd.io"}, "Argo CD and Flux can"),
    ],
)
def test_an_engine_is_known_by_what_it_serves(groups: set[str], says: str) -> None:
    finding = engine_finding("c", groups=groups)
    assert (finding.status, finding.found.startswith(says)) == (Status.OK, True)


def test_without_an_engine_it_is_not_known_who_applies_git() -> None:
    assert engine_finding("c", groups={"apps"}).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("lines", "statuses"),
    [
        (("tcp-close", "skip-in-flight", "file-locks"), [Status.OK]),
        (("--tcp-established",), [Status.OK]),
        (("tcp-close", "tcp-established"), [Status.WARNING]),
        (("tcp-close", "log-file /tmp/criu.log"), [Status.WARNING]),
        (("log-file /tmp/criu.log",), [Status.WARNING, Status.WARNING]),
        ((), [Status.WARNING]),
        (None, [Status.UNKNOWN]),
    ],
)
def test_a_runc_conf_is_read(lines: tuple[str, ...] | None, statuses: list[Status]) -> None:
    found = runc_conf_findings("c", facts={"node-a": facts(runc_conf=lines)})
    assert [finding.status for finding in found] == statuses


def test_the_guides_own_file_is_told_what_is_wrong_with_it() -> None:
    guide = (
        "file-locks",
        "tcp-close",
        "skip-in-flight",
        "tcp-established",
        "log-file /tmp/criu.log",
    )
    found = runc_conf_findings("c", facts={"node-a": facts(runc_conf=guide)})
    texts = " ".join(finding.found for finding in found)
    assert "contradict" in texts
    assert "overwrites" in texts


def test_podman_does_not_go_by_it() -> None:
    podman = facts(runc_conf=(), containerd=None, podman="4.3.1")
    assert runc_conf_findings("c", facts={"node-a": podman}) == []
