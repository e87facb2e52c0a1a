"""A cluster is lost when its agents are silent and its API server does not contradict."""

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_transition.core.cluster_health import (
    ApiSign,
    ClusterVerdict,
    SecondSignal,
    cluster_verdict,
)
from airflow_transition.core.health_report import ClusterReport, Health, NodeReport

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DEAD_API = SecondSignal(ApiSign.SILENT, seen="connection refused")
OTHER_SIGNS = [sign for sign in ApiSign if sign is not ApiSign.SILENT]


def node(name: str, health: Health = Health.NOT_READY, **more: Any) -> NodeReport:
    silent = {Health.READY: 0.4, Health.NOT_READY: 21.3, Health.UNKNOWN: None}[health]
    usual: dict[str, Any] = {"trusted": True, "last_seen": NOON, "silent_seconds": silent}
    return NodeReport(node=name, health=health, **(usual | more))


def ready(name: str, **more: Any) -> NodeReport:
    return node(name, Health.READY, **more)


def unknown(name: str, **more: Any) -> NodeReport:
    return node(name, Health.UNKNOWN, **more)


def judged(
    *nodes: NodeReport, percent: int = 100, second: SecondSignal = DEAD_API
) -> ClusterVerdict:
    report = ClusterReport(cluster="cluster1", epoch=3, nodes=nodes)
    return cluster_verdict(report, silent_nodes_percent=percent, second=second)


def not_ready(*names: str) -> SecondSignal:
    return SecondSignal(ApiSign.NODES_NOT_READY, nodes_not_ready=frozenset(names))


def test_silent_agents_and_a_silent_api_server_are_a_lost_cluster() -> None:
    verdict = judged(node("n1"), node("n2", silent_seconds=24.0))
    assert verdict.lost
    assert verdict.all_silent
    assert verdict.health is Health.NOT_READY
    assert str(verdict) == (
        "cluster1: lost: 2 of 2 agents silent, 100 % are needed; the last of them was heard from "
        "21.3 s ago; its API server does not answer (connection refused)"
    )


@pytest.mark.parametrize("sign", OTHER_SIGNS)
def test_silence_alone_never_loses_a_cluster(sign: ApiSign) -> None:
    verdict = judged(node("n1"), node("n2"), second=SecondSignal(sign))
    assert not verdict.lost
    assert not verdict.lost_nodes
    assert not verdict.all_silent
    assert verdict.health is Health.UNKNOWN


def test_a_silent_api_server_alone_never_loses_a_cluster() -> None:
    verdict = judged(ready("n1"), ready("n2"), percent=1)
    assert not verdict.lost
    assert verdict.health is Health.READY


@pytest.mark.parametrize(("percent", "lost"), [(50, True), (66, True), (67, False), (100, False)])
def test_the_share_of_silent_agents_is_the_policys(percent: int, lost: bool) -> None:
    assert judged(node("n1"), node("n2"), ready("n3"), percent=percent).lost is lost


def test_with_one_agent_still_heard_not_all_of_it_is_silent() -> None:
    verdict = judged(node("n1"), ready("n2"), percent=50)
    assert verdict.lost
    assert not verdict.all_silent


def test_an_unknown_agent_never_counts_as_silent() -> None:
    verdict = judged(node("n1"), unknown("n2"))
    assert not verdict.lost
    assert "1 unknown: the receiver has not listened long enough" in verdict.reasons[0]


def test_after_a_restart_of_the_receiver_a_cluster_is_unknown_and_not_lost() -> None:
    verdict = judged(unknown("n1"), unknown("n2"), percent=1)
    assert not verdict.lost
    assert verdict.health is Health.UNKNOWN


def test_untrusted_nodes_never_count_toward_a_loss() -> None:
    guide = node("guide", trusted=False)
    assert not judged(guide, percent=1).lost
    assert not judged(guide, guide, ready("n1"), percent=50).lost
    assert "node guide sends without a token: shown, not counted" in judged(guide).remarks


def test_untrusted_nodes_do_not_hold_a_loss_back_either() -> None:
    assert judged(ready("guide", trusted=False), node("n1")).lost


def test_a_node_that_was_never_heard_from_does_not_hold_a_loss_back() -> None:
    verdict = judged(node("n1"), unknown("new", last_seen=None))
    assert verdict.lost
    assert verdict.remarks == ("node new was never heard from: not counted",)


def test_a_cluster_without_nodes_is_never_lost() -> None:
    verdict = judged(percent=1)
    assert not verdict.lost
    assert not verdict.all_silent
    assert verdict.health is Health.UNKNOWN
    assert verdict.reasons[0].startswith("no agent with a token was ever heard from")


def test_a_single_lost_node_moves_only_what_ran_on_it() -> None:
    verdict = judged(node("n1"), ready("n2"), ready("n3"), second=not_ready("n1"))
    assert not verdict.lost
    assert verdict.lost_nodes == ("n1",)
    assert str(verdict).startswith("cluster1: lost node n1: 1 of 3 agents silent")


def test_a_node_that_is_silent_but_ready_by_its_api_server_is_not_lost() -> None:
    verdict = judged(node("n1"), node("n2"), ready("n3"), second=not_ready("n1"))
    assert verdict.lost_nodes == ("n1",)
    assert verdict.reasons[-1] == "silent, but not so by its API server: n2"


def test_a_node_that_is_heard_is_not_lost_whatever_its_api_server_says() -> None:
    assert not judged(ready("n1"), ready("n2"), second=not_ready("n1", "n2"), percent=1).lost_nodes


def test_a_single_silent_node_is_not_lost_by_an_api_server_that_does_not_answer() -> None:
    assert not judged(node("n1"), ready("n2")).lost_nodes


def test_node_objects_lose_a_cluster_when_both_signals_agree_on_the_share() -> None:
    assert judged(node("n1"), node("n2"), second=not_ready("n1", "n2")).lost
    assert not judged(node("n1"), node("n2"), second=not_ready("n1")).lost
    assert judged(node("n1"), node("n2"), second=not_ready("n1"), percent=50).lost


def test_what_is_odd_of_a_node_is_shown_and_decides_nothing() -> None:
    odd = ready("n1", two_agents=True, memory_pressure=True, clock_skew_seconds=-40.0)
    verdict = judged(odd, percent=1)
    assert not verdict.lost
    assert verdict.remarks == (
        "node n1: two agents send under its name; remove one",
        "node n1 is short of memory: shown, never acted on",
        "node n1: its clock is 40 s behind",
    )
