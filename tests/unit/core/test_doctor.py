"""What the doctor makes of what was found out of nodes, networks, rights and heartbeats."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from transition_wire.node_facts import CriuCheck, NodeFacts

from airflow_transition.core.cluster_rights import (
    ROLES,
    TOO_MUCH,
    Right,
    needed_namespaces,
    needed_roles,
    rights_findings,
)
from airflow_transition.core.doctor import Check, Finding, Report, Status
from airflow_transition.core.fit_checks import fit_findings
from airflow_transition.core.health_report import ClusterReport, Health, NodeReport
from airflow_transition.core.network_checks import flannel_network, network_findings
from airflow_transition.core.node_checks import Cluster, heartbeat_findings, node_findings
from airflow_transition.core.node_state import NodeState, linux_nodes
from airflow_transition.core.policy_files import load_policy

HERE = Path(__file__).parent
NODES = HERE.parents[1] / "fixtures" / "kubernetes-1.36" / "list-nodes.json"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
FRESH = timedelta(minutes=30)
FLANNEL = ip_network("10.244.0.0/16")


def node(name: str = "node-a", **changes: Any) -> dict[str, Any]:
    """A Node object; `changes` are those of its spec, nodeInfo, annotations or conditions."""
    machine = {
        "kubeletVersion": "v1.36.2",
        "containerRuntimeVersion": "containerd://2.3.3",
        "kernelVersion": "6.12.48",
        "operatingSystem": "linux",
    }
    return {
        "metadata": {"name": name, "annotations": changes.get("annotations", {})},
        "spec": changes.get("spec", {}),
        "status": {
            "nodeInfo": {**machine, **changes.get("machine", {})},
            "conditions": [{"type": "Ready", "status": "True"}, *changes.get("conditions", ())],
        },
    }


def facts(name: str = "node-a", **changes: Any) -> NodeFacts:
    made = NodeFacts(
        cluster="c",
        node=name,
        measured=NOW,
        kernel="6.12.48",
        architecture="x86_64",
        cpu_model="any",
        cpu_features=("avx", "sse"),
        xsave_size_bytes=832,
        cgroup_version=2,
        criu="4.2",
        criu_check=CriuCheck(passed=True, output=""),
        runc="1.5.1",
        containerd="2.3.3",
        crio=None,
        podman=None,
        runc_conf=("tcp-close",),
    )
    return made.model_copy(update=changes)


def examine(
    nodes: Iterable[dict[str, Any]],
    *known: NodeFacts,
    version: str = "v1.36.2",
    is_target: bool = True,
) -> dict[Check, list[Finding]]:
    cluster = Cluster(
        name="c",
        version=version,
        nodes=linux_nodes(iter(nodes)),
        facts={one.node: one for one in known},
        is_target=is_target,
    )
    return by_check(node_findings(cluster, now=NOW, fresh=FRESH))


def by_check(findings: Iterable[Finding]) -> dict[Check, list[Finding]]:
    found: dict[Check, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.check, []).append(finding)
    return found


def statuses(findings: Iterable[Finding]) -> list[Status]:
    return [finding.status for finding in findings]


def test_nodes_that_have_all_are_well() -> None:
    found = examine([node("node-a"), node("node-b")], facts("node-a"), facts("node-b"))
    assert set(found) == {
        Check.KUBERNETES,
        Check.NODES_READY,
        Check.KUBELET,
        Check.RUNTIME,
        Check.AGENT,
        Check.CRIU,
        Check.RUNC,
        Check.RUNC_CONF,
    }
    assert all(statuses(each) == [Status.OK] for each in found.values())


def test_real_node_objects_are_read() -> None:
    recorded = json.loads(json.loads(NODES.read_text())["response"]["body"])
    first, second = linux_nodes(iter(recorded["items"]))
    assert (first.name, second.name) == ("node-a", "node-b")
    assert (first.kubelet, first.runtime, first.runtime_version) == (
        "v1.36.2",
        "containerd",
        "2.3.4",
    )
    assert first.ready
    assert first.initialized
    assert first.network_up
    (networks, *_) = network_findings("c", (first, second), flannel=None)
    assert (networks.status, networks.found) == (Status.OK, "the CNI gives out addresses by itself")


def test_a_windows_node_is_left_out() -> None:
    assert linux_nodes(iter([node(machine={"operatingSystem": "windows"})])) == ()


@pytest.mark.parametrize(
    ("runtime", "status", "says"),
    [
        ("containerd://2.1.4", Status.FAILED, "CVE-2026-53492"),
        ("containerd://1.7.27", Status.FAILED, "cannot restore"),
        ("containerd://2.4.0", Status.FAILED, "no longer restores"),
        ("containerd://2.3.4", Status.UNKNOWN, "enable_experimental_restore_via_create"),
        ("cri-o://1.34.14", Status.UNKNOWN, "checkpoint_restore"),
        ("docker://28.0.0", Status.FAILED, "not known to restore"),
        ("", Status.FAILED, "not known to restore"),
    ],
)
def test_a_runtime_that_cannot_restore_is_told_by_its_version(
    runtime: str, status: Status, says: str
) -> None:
    (finding,) = examine([node(machine={"containerRuntimeVersion": runtime})])[Check.RUNTIME]
    assert finding.status is status
    assert says in finding.found
    assert finding.cure


def test_what_the_agent_read_of_the_configuration_settles_it() -> None:
    switched = {"machine": {"containerRuntimeVersion": "containerd://2.3.4"}}
    on = examine([node(**switched)], facts(containerd="2.3.4", containerd_restores=True))
    off = examine([node(**switched)], facts(containerd="2.3.4", containerd_restores=False))
    assert statuses(on[Check.RUNTIME]) == [Status.OK]
    assert statuses(off[Check.RUNTIME]) == [Status.FAILED]
    assert "configured not to restore" in off[Check.RUNTIME][0].found


def test_on_a_cluster_that_is_only_left_such_a_runtime_is_a_warning() -> None:
    old = node(machine={"containerRuntimeVersion": "containerd://2.1.4"})
    (finding,) = examine([old], is_target=False)[Check.RUNTIME]
    assert finding.status is Status.WARNING
    assert "what left cannot come back" in finding.found


def test_an_old_kubernetes_and_an_old_kubelet_fail() -> None:
    found = examine([node(machine={"kubeletVersion": "v1.29.1"})], version="v1.29.1")
    assert statuses(found[Check.KUBERNETES] + found[Check.KUBELET]) == [Status.FAILED] * 2


def test_kubelets_that_differ_are_a_warning_with_the_nodes_that_do() -> None:
    others = [node("node-a"), node("node-b")]
    (finding,) = examine([*others, node("node-c", machine={"kubeletVersion": "v1.35.0"})])[
        Check.KUBELET
    ]
    assert (finding.status, finding.nodes) == (Status.WARNING, ("node-c",))
    assert finding.text == "node-c: kubelet v1.35.0, others have v1.36.2"


def test_nodes_with_the_same_ill_are_one_line() -> None:
    names = [f"node-{number}" for number in range(50)]
    (finding,) = examine([node(name) for name in names], facts("gone"))[Check.AGENT][:1]
    assert len(finding.nodes) == 50
    assert finding.text.startswith("node-0, node-1, node-10 and 47 more: no agent")


def test_facts_of_nobody_and_old_facts_are_told() -> None:
    old = facts("node-a", measured=NOW - timedelta(hours=2))
    found = examine([node("node-a")], old, facts("node-z"))[Check.AGENT]
    assert statuses(found) == [Status.FAILED, Status.WARNING]
    assert "older than 30 min" in found[0].found
    assert found[1].nodes == ("node-z",)


def test_an_agent_that_measures_another_runtime_is_told() -> None:
    (finding,) = examine([node()], facts(containerd="1.7.2"))[Check.AGENT]
    assert finding.status is Status.WARNING


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"criu": None, "criu_check": None}, Status.FAILED, "not installed"),
        ({"criu_check": None}, Status.UNKNOWN, "never run"),
        (
            {"criu_check": CriuCheck(passed=False, output="no vDSO")},
            Status.FAILED,
            "no vDSO",
        ),
        ({"criu": "3.17", "kernel": "6.13.1"}, Status.FAILED, "fails on kernel"),
        ({"criu": "4.1.1", "kernel": "6.16.0"}, Status.FAILED, "cannot dump sockets"),
        ({"criu": "4.0"}, Status.WARNING, "guide"),
    ],
)
def test_a_criu_that_will_not_do_is_told(
    changes: dict[str, Any], status: Status, says: str
) -> None:
    finding, *_ = examine([node()], facts(**changes))[Check.CRIU]
    assert finding.status is status
    assert says in finding.found


def test_runcs_that_differ_are_a_warning() -> None:
    found = examine([node("a"), node("b")], facts("a"), facts("b", runc="1.3.1"))[Check.RUNC]
    assert statuses(found) == [Status.WARNING]


def test_a_node_that_is_not_ready_warns_and_a_cluster_without_one_fails() -> None:
    down = node("node-b")
    down["status"]["conditions"][0]["status"] = "Unknown"
    assert statuses(examine([node(), down])[Check.NODES_READY]) == [Status.WARNING]
    assert statuses(examine([down])[Check.NODES_READY]) == [Status.FAILED]
    assert statuses(examine([])[Check.NODES_READY]) == [Status.FAILED]


def network(*items: dict[str, Any], flannel: Any = None) -> dict[Check, list[Finding]]:
    return by_check(network_findings("c", linux_nodes(iter(items)), flannel=flannel))


def routed(name: str, cidr: str | None, **more: Any) -> dict[str, Any]:
    spec = {"podCIDR": cidr} if cidr else {}
    return node(
        name, spec=spec, annotations={"flannel.alpha.coreos.com/backend-type": "vxlan"}, **more
    )


def test_pod_networks_that_overlap_fail_whatever_stands_between_them() -> None:
    wide, inner, other = (
        node("wide", spec={"podCIDR": "10.244.0.0/16"}),
        node("inner", spec={"podCIDR": "10.244.1.0/24"}),
        node("other", spec={"podCIDR": "10.244.2.0/24"}),
    )
    found = network(other, wide, inner)[Check.POD_NETWORK]
    assert {finding.nodes for finding in found} == {("inner", "other")}
    assert statuses(found) == [Status.FAILED]


def test_a_node_outside_of_flannels_network_fails_as_in_the_guide() -> None:
    a, b = routed("a", "10.244.0.0/24"), routed("b", "192.168.3.0/24")
    (finding,) = network(a, b, flannel=FLANNEL)[Check.POD_NETWORK]
    assert (finding.status, finding.nodes) == (Status.FAILED, ("b",))


def test_flannel_without_a_pod_network_fails_and_its_own_network_may_be_unknown() -> None:
    (finding,) = network(routed("a", None), flannel=FLANNEL)[Check.POD_NETWORK]
    assert "no pod network" in finding.found
    (finding,) = network(routed("a", "10.244.0.0/24"), flannel="not allowed")[Check.POD_NETWORK]
    assert finding.status is Status.UNKNOWN


def test_flannel_is_known_to_enforce_no_network_policy() -> None:
    found = network(routed("a", "10.244.0.0/24"), flannel=FLANNEL)
    assert statuses(found[Check.POD_NETWORK]) == [Status.OK]
    assert statuses(found[Check.NETWORK_POLICY]) == [Status.WARNING]
    assert Check.NETWORK_POLICY not in network(node())


def test_what_the_cloud_controller_has_not_taken_up_fails() -> None:
    taint = {"key": "node.cloudprovider.kubernetes.io/uninitialized", "effect": "NoSchedule"}
    found = network(node("a", spec={"taints": [taint]}), node("b"))
    assert found[Check.CLOUD_CONTROLLER][0].nodes == ("a",)


def test_a_network_that_is_not_up_or_is_none_fails() -> None:
    down = node("a", conditions=[{"type": "NetworkUnavailable", "status": "True"}])
    odd = node("b", spec={"podCIDR": "none"})
    assert statuses(network(down, odd)[Check.POD_NETWORK]) == [Status.FAILED] * 2


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"Network": "x"}', '{"Network": null}'])
def test_a_flannel_configuration_that_says_nothing_is_no_network(text: str) -> None:
    assert isinstance(flannel_network(text), str)


def test_flannels_network_is_read() -> None:
    assert flannel_network('{"Network": "10.244.0.0/16"}') == FLANNEL


def test_nodes_that_are_alike_are_compared_once_and_fit() -> None:
    many = [facts(f"n{number}") for number in range(50)]
    (finding,) = fit_findings("a", "b", facts={"a": many, "b": many})
    assert (finding.status, len(finding.nodes)) == (Status.OK, 50)


def test_a_source_node_that_fits_nowhere_fails_and_names_what_is_missing() -> None:
    wide = facts("n1", cpu_features=("avx", "avx512f", "sse"))
    found = list(fit_findings("a", "b", facts={"a": [facts("n0"), wide], "b": [facts("m")]}))
    assert [(one.status, one.nodes) for one in found] == [
        (Status.OK, ("n0",)),
        (Status.FAILED, ("n1",)),
    ]
    assert "avx512f" in found[1].found
    (back,) = fit_findings("a", "b", facts={"a": [wide], "b": [facts("m")]}, is_way_back=True)
    assert back.status is Status.WARNING


def test_a_target_that_fits_only_in_part_is_a_warning() -> None:
    (finding,) = fit_findings(
        "a", "b", facts={"a": [facts("n")], "b": [facts("m"), facts("k", criu=None)]}
    )
    assert finding.status is Status.WARNING
    assert finding.found == "1 of 2 nodes fit: CRIU is not installed"


def report(**changes: Any) -> ClusterReport:
    heard = NodeReport(node="node-a", health=Health.READY, silent_seconds=1, trusted=True)
    return ClusterReport(cluster="c", epoch=1, nodes=(heard.model_copy(update=changes),))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.OK),
        ({"health": Health.NOT_READY}, Status.FAILED),
        ({"health": Health.UNKNOWN}, Status.UNKNOWN),
        ({"trusted": False}, Status.WARNING),
        ({"two_agents": True}, Status.FAILED),
        ({"clock_skew_seconds": -60.0}, Status.WARNING),
        ({"memory_pressure": True}, Status.WARNING),
    ],
)
def test_heartbeats_are_judged(changes: dict[str, Any], status: Status) -> None:
    (finding,) = heartbeat_findings("c", report=report(**changes), nodes=["node-a"])
    assert finding.status is status


def test_a_node_whose_agent_was_never_heard_fails() -> None:
    (finding,) = heartbeat_findings("c", report=report(), nodes=["node-a", "node-b"])
    assert finding.nodes == ("node-b",)


def test_a_right_that_is_missing_names_the_role_to_apply() -> None:
    roles = {role: ROLES[role] for role in ("airflow", "failover")}
    allowed: dict[Right, bool | str] = {right: True for role in roles.values() for right in role}
    (finding,) = rights_findings("c", roles=roles, allowed=allowed)
    assert finding.status is Status.OK
    allowed[Right("", "nodes", "list", namespaced=False)] = False
    (finding,) = rights_findings("c", roles=roles, allowed=allowed)
    assert "not allowed: list nodes" in finding.found
    assert "components/failover" in str(finding.cure)


def test_an_administrators_connection_and_a_silent_review_are_told() -> None:
    roles = {"checkpoint-proxy": ROLES["checkpoint-proxy"]}
    (right,) = roles["checkpoint-proxy"]
    found = list(rights_findings("c", roles=roles, allowed={right: "not there", TOO_MUCH: True}))
    assert statuses(found) == [Status.UNKNOWN, Status.WARNING]


def test_a_policy_needs_the_roles_that_it_makes_use_of() -> None:
    policy = load_policy(HERE / "guide-policy.yaml")
    assert needed_roles(policy) == ("airflow", "checkpoint-proxy", "failover")
    assert needed_namespaces(policy) == ()


def test_what_is_not_well_has_a_cure() -> None:
    with pytest.raises(ValidationError):
        Finding(check=Check.GIT, status=Status.FAILED, subject="c", found="away")
    with pytest.raises(ValidationError):
        Finding(check=Check.GIT, status=Status.OK, subject="c", found="there", cure="none")


def test_a_report_counts_and_sorts() -> None:
    well = Finding(check=Check.GIT, status=Status.OK, subject="b", found="x")
    ill = Finding(check=Check.AGENT, status=Status.FAILED, subject="b", found="y", cure="z")
    made = Report.of([well, ill])
    assert made.findings == (ill, well)
    assert made.summary() == "1 failed, 1 ok"
    assert made.failed == made.not_well == (ill,)
    assert ill.sentence == "failed: b: agent: y; z"
    assert Report.model_validate_json(made.model_dump_json()) == made


def test_a_node_object_with_nothing_in_it_is_read() -> None:
    state = NodeState.of({})
    assert not state.ready
    assert state.pod_networks == ()
