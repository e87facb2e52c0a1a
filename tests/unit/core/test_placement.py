from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transition_wire.node_facts import CriuCheck, NodeFacts

from airflow_transition.core.node_parity import parity
from airflow_transition.core.placement import Candidate, Freshness, Placement, place
from airflow_transition.core.restore_drivers import Way, ability
from airflow_transition.core.versions import version

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def node(cluster: str = "cluster2-aws", **facts: Any) -> NodeFacts:
    sound: dict[str, Any] = {
        "cluster": cluster,
        "node": "node1",
        "measured": NOON,
        "kernel": "6.18.5-1-amd64",
        "architecture": "x86_64",
        "cpu_model": "some",
        "cpu_features": ("avx2", "constant_tsc", "sse4_2"),
        "xsave_size_bytes": 832,
        "cgroup_version": 2,
        "criu": "4.2.1",
        "criu_check": CriuCheck(passed=True, output="Looks good."),
        "runc": "1.3.1",
        "containerd": "2.3.3",
        "crio": None,
        "podman": None,
    }
    return NodeFacts(**(sound | facts))


SOURCE = node("cluster1-azure")


def against(**facts: Any) -> str:
    return "; ".join(parity(node(**facts), needs=SOURCE).against)


def placed(*nodes: NodeFacts, forced: str | None = None, **weights: int) -> Placement:
    facts: dict[str, list[NodeFacts]] = {}
    for one in nodes:
        facts.setdefault(one.cluster, []).append(one)
    return place(
        candidates=[Candidate(name, weight) for name, weight in weights.items()],
        avoid=["avoided"],
        source="cluster1-azure",
        needs=SOURCE,
        facts=facts,
        forced=forced,
    )


def reasons(placement: Placement) -> dict[str, str]:
    return {verdict.cluster: "; ".join(verdict.reasons) for verdict in placement.verdicts}


def test_the_fitting_cluster_with_the_highest_weight_is_chosen() -> None:
    placement = placed(node("a"), node("b"), a=10, b=100)
    assert placement.target == "b"
    assert str(placement.verdicts[0]) == (
        "b: accepted with score 100: weight 100; "
        "1 of 1 nodes can restore: image restore on containerd"
    )


def test_every_cluster_gets_a_reason() -> None:
    placement = placed(
        node("a", criu=None), node("other"), node("avoided"), SOURCE, a=1, silent=2, avoided=3
    )
    assert placement.target is None
    assert reasons(placement) == {
        "a": "node node1: CRIU is not installed",
        "avoided": "the policy avoids it (avoidClusters)",
        "cluster1-azure": "it is the source cluster",
        "other": "the policy does not name it (preferClusters)",
        "silent": "nothing is known of its nodes; run the agent there",
    }
    assert not any(verdict.accepted or verdict.score for verdict in placement.verdicts)


def test_ties_go_to_more_fitting_nodes_and_then_to_the_name() -> None:
    more = [node("c"), node("c", node="node2")]
    assert placed(node("a"), node("b"), *more, a=5, b=5, c=5).target == "c"
    assert placed(node("b"), node("a"), b=5, a=5).target == "a"


def test_a_cluster_where_only_some_nodes_fit_says_so() -> None:
    placement = placed(node("a"), node("a", node="node2", architecture="aarch64"), a=1)
    assert placement.target == "a"
    assert placement.verdicts[0].nodes == ("node1",)
    assert reasons(placement)["a"] == (
        "weight 1; 1 of 2 nodes can restore: image restore on containerd; "
        "node node2: its architecture is aarch64, the process ran on x86_64"
    )


def test_a_target_chosen_by_a_person_has_to_pass_the_filter() -> None:
    assert placed(node("a"), node("b"), forced="b", a=100, b=1).target == "b"
    assert placed(node("a"), node("new"), forced="new", a=100).target == "new"
    assert placed(node("a"), node("b", criu=None), forced="b", a=100, b=1).target is None
    assert placed(node("a"), node("avoided"), forced="avoided", a=1).target is None
    assert placed(node("a"), SOURCE, forced="cluster1-azure", a=1).target is None
    unknown = placed(node("a"), forced="nowhere", a=1)
    assert unknown.target is None
    assert reasons(unknown)["nowhere"] == "nothing is known of its nodes; run the agent there"


def test_facts_that_are_too_old_say_nothing() -> None:
    fresh = Freshness(now=NOON + timedelta(minutes=30), limit=timedelta(minutes=10))
    placement = place(
        candidates=[Candidate("a")],
        avoid=(),
        source="cluster1-azure",
        needs=SOURCE,
        facts={"a": [node("a")]},
        freshness=fresh,
    )
    assert placement.target is None
    assert reasons(placement)["a"] == "node node1: its facts are 30 min old; is its agent running?"


def test_a_node_like_the_source_fits() -> None:
    assert parity(node(), needs=SOURCE).fits


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"criu": None}, "CRIU is not installed"),
        ({"criu_check": None}, "criu check was never run"),
        (
            {"criu_check": CriuCheck(passed=False, output="Error: no\nmore")},
            "criu check fails: Error: no",
        ),
        ({"criu": "GitID"}, "its CRIU version cannot be read"),
        ({"criu": "4.1.1"}, "CRIU 4.1.1 is older than 4.2.1, which wrote the checkpoint"),
        ({"criu": "3.17.1"}, "CRIU 3.17.1 fails on kernel 6.18.5-1-amd64; CRIU 4.2 works"),
        ({"architecture": "aarch64"}, "its architecture is aarch64, the process ran on x86_64"),
        ({"cpu_features": ("sse4_2",)}, "its CPU lacks avx2"),
        ({"cpu_features": ("avx512f",)}, "its CPU lacks avx2, sse4_2"),
        ({"xsave_size_bytes": 576}, "(xsave) is 576 bytes, the process needs 832"),
        ({"xsave_size_bytes": None}, "(xsave) is unknown, the process needs 832"),
        ({"cgroup_version": 1}, "it has cgroup v1, the process ran under v2"),
        ({"runc": None}, "runc is not installed, the process ran under runc 1.3.1"),
        ({"runc": "1.1.5+ds1"}, "runc 1.1.5+ds1 is of another line than 1.3.1"),
        ({"containerd": None}, "no container runtime is known on it"),
        ({"containerd": None, "crio": "1.34.0"}, "it runs CRI-O, the checkpoint was made under"),
        ({"containerd": "one"}, "its containerd version cannot be read"),
    ],
)
def test_a_node_that_does_not_fit_says_why(facts: dict[str, Any], reason: str) -> None:
    assert reason in against(**facts)


@pytest.mark.parametrize(
    "facts",
    [
        {"cpu_features": ("avx2", "avx512f", "sse4_2")},
        {"xsave_size_bytes": 2696},
        {"criu": "4.3"},
        {"kernel": "6.1.0"},
        {"runc": "1.3.9"},
        {"cpu_model": "another"},
    ],
)
def test_a_node_that_has_more_fits(facts: dict[str, Any]) -> None:
    assert against(**facts) == ""


@pytest.mark.parametrize("containerd", ["1.7.28", "2.0.6", "2.4.0", "3.0.0"])
def test_a_containerd_that_cannot_restore_is_refused(containerd: str) -> None:
    assert f"containerd {containerd} " in against(containerd=containerd)


@pytest.mark.parametrize("containerd", ["2.1.4", "2.1.8", "2.2.0", "2.2.4", "2.3.0", "v2.3.1"])
def test_a_containerd_with_known_holes_is_refused(containerd: str) -> None:
    assert "known holes (CVE-2026-53492, CVE-2026-50195) until 2." in against(containerd=containerd)


@pytest.mark.parametrize("containerd", ["2.1.9", "2.1.12", "2.2.5", "2.2.6", "2.3.2", "2.3.3"])
def test_a_containerd_that_always_restores_fits_without_a_remark(containerd: str) -> None:
    found = parity(node(containerd=containerd), needs=SOURCE)
    assert (found.against, found.remarks) == ((), ())


@pytest.mark.parametrize("containerd", ["2.2.7", "2.3.4"])
def test_a_containerd_that_restores_by_its_configuration_is_remarked(containerd: str) -> None:
    found = parity(node(containerd=containerd), needs=SOURCE)
    assert found.fits
    assert "enable_experimental_restore_via_create = true" in found.remarks[0]
    assert "enable_experimental" in reasons(placed(node("a", containerd=containerd), a=1))["a"]


def test_cri_o_and_podman_restore_what_they_checkpointed() -> None:
    crio = {"containerd": None, "crio": "1.34.0"}
    podman = {"containerd": None, "podman": "4.3.1"}
    assert "switched on" in parity(node(**crio), needs=node(**crio)).remarks[0]
    assert parity(node(**podman), needs=node(**podman)).remarks == ()
    old = parity(node(**(podman | {"podman": "3.4.4"})), needs=node(**podman))
    assert old.against == ("Podman 3.4.4 cannot restore from images; 4.0 can",)


@pytest.mark.parametrize(
    ("changes", "way", "says"),
    [
        ({"containerd": "2.3.4", "containerd_restores": True}, Way.CONTAINERD, None),
        ({"containerd": "2.3.4", "containerd_restores": False}, Way.CONTAINERD, "configured not"),
        ({"containerd": "2.3.3", "containerd_restores": False}, Way.CONTAINERD, None),
        ({"containerd": "2.4.0"}, Way.POD_SNAPSHOT, "no longer restores"),
        ({"containerd": None, "crio": "1.36.6", "crio_restores": True}, Way.CRIO, None),
        ({"containerd": None, "crio": "1.36.6", "crio_restores": False}, Way.CRIO, "checkpoint_r"),
        ({"containerd": None, "crio": "1.33.0", "crio_restores": False}, Way.CRIO, "criu_support"),
        ({"containerd": None}, Way.COLD, "no container runtime"),
    ],
)
def test_the_driver_is_chosen_by_version_and_configuration(
    changes: dict[str, Any], way: Way, says: str | None
) -> None:
    found = ability(node(**changes), needs=node(**changes))
    assert found.way is way
    assert (says or "") in (found.against or "")
    assert found.able is (says is None)


def test_a_cluster_s_driver_is_that_of_the_nodes_that_fit() -> None:
    on, off = ({"containerd": "2.3.4", "containerd_restores": each} for each in (True, False))
    placement = placed(node("a", node="n1", **on), node("a", node="n2", **off), a=1)
    assert (placement.verdicts[0].way, placement.verdicts[0].nodes) == (Way.CONTAINERD, ("n1",))
    assert "node n2: containerd 2.3.4 is configured not to restore" in reasons(placement)["a"]


def test_a_podman_beside_the_kubelet_s_runtime_does_not_count() -> None:
    both = {"containerd": "1.7.28", "podman": "5.4.0"}
    assert "containerd 1.7.28 cannot restore" in parity(node(**both), needs=node(**both)).against[0]


def test_a_criu_that_cannot_dump_again_is_remarked() -> None:
    found = parity(node(criu="4.1.1"), needs=node(criu="4.1.1"))
    assert found.fits
    assert "cannot dump sockets on kernel 6.18.5-1-amd64" in found.remarks[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4.2.1", (4, 2, 1)), ("v1.1.5+ds1", (1, 1, 5)), ("2", (2,)), ("", None), (None, None)],
)
def test_versions_are_read_as_programs_print_them(
    text: str | None, expected: tuple[int, ...] | None
) -> None:
    assert version(text) == expected


@given(
    st.lists(st.sampled_from("abcdef"), unique=True),
    st.lists(st.integers(0, 3), min_size=6, max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_order_in_which_facts_come_makes_no_difference(
    clusters: list[str], weights: list[int], random: Any
) -> None:
    nodes = [node(cluster, node=name) for cluster in clusters for name in ("n1", "n2")]
    by_name = dict(zip("abcdef", weights, strict=True))
    first = placed(*nodes, **by_name)
    random.shuffle(nodes)
    shuffled = dict(sorted(by_name.items(), key=lambda _: random.random()))
    assert placed(*nodes, **shuffled) == first
    assert {verdict.cluster for verdict in first.verdicts} == {
        *by_name,
        "avoided",
        "cluster1-azure",
    }
