"""A lease runs out in the kernel: whatever becomes of the agent, no packet passes afterwards."""

import itertools
import signal
import time

import pytest
from transition_wire.heartbeat import HeartbeatReply, PackageName

from tests.integration.agent.conftest import eventually
from tests.integration.agent.guard.conftest import (
    FENCED,
    FREE,
    INTERVAL_SECONDS,
    LEASE_SECONDS,
    LEASED,
    GuardedNode,
    fence,
    lease,
)
from tests.integration.agent.guard.network import CLIENT_6, POD_6, Probe

SLACK_SECONDS = 0.1
"""Between the test's own clock readings and the kernel's tick."""


def _open(node: GuardedNode, *, since: float | None = None) -> None:
    moment = time.monotonic() if since is None else since
    eventually(
        lambda: all(each.open_since(moment) for each in _probes(node)), what="the pod answers"
    )


def _closed(node: GuardedNode, *, seconds: float = 0.5) -> None:
    eventually(
        lambda: all(each.silent_seconds > seconds for each in _probes(node)), what="no answers"
    )


def _probes(node: GuardedNode) -> list[object]:
    return [node.from_client, node.from_other_pod, node.from_node]


def _leased(node: GuardedNode) -> None:
    node.receiver.reply = LEASED
    node.start()
    eventually(lambda: len(node.receiver.heartbeats) > 3, what="heartbeats")
    held = node.receiver.heartbeats[-1].leases
    assert [(each.package, each.enforced_by) for each in held] == [("video", "kernel")]
    _open(node)


def _last_answer(node: GuardedNode) -> float:
    return max(each.answers[-1] for each in _probes(node))


def test_a_pod_answers_as_long_as_heartbeats_renew_its_lease(node: GuardedNode) -> None:
    _leased(node)
    begun = time.monotonic()
    eventually(lambda: time.monotonic() > begun + 2 * LEASE_SECONDS, what="two leases")
    answers = [each for each in node.from_client.answers if each > begun]
    gaps = [later - earlier for earlier, later in itertools.pairwise(answers)]
    assert max(gaps) < INTERVAL_SECONDS
    assert node.runtime.stopped == []


def test_a_paused_agent_does_not_keep_a_lease(node: GuardedNode) -> None:
    _leased(node)
    node.send(signal.SIGSTOP)
    sent = node.receiver.arrived[-1]
    _closed(node)
    assert _last_answer(node) < sent + LEASE_SECONDS + SLACK_SECONDS
    assert _last_answer(node) > sent + LEASE_SECONDS - INTERVAL_SECONDS


def test_an_agent_paused_between_reply_and_switch_wakes_to_a_lease_that_has_run_out(
    node: GuardedNode,
) -> None:
    _leased(node)
    node.receiver.hold()
    assert node.receiver.held.wait(10)
    sent = node.receiver.arrived[-1]
    node.send(signal.SIGSTOP)
    node.receiver.reply = FREE  # what is held renews the lease, and nothing does after it
    node.receiver.release()
    _closed(node)
    woken = time.monotonic()
    node.send(signal.SIGCONT)
    eventually(lambda: node.receiver.arrived[-1] > woken, what="heartbeats go on")
    count = len(node.receiver.heartbeats)
    eventually(lambda: len(node.receiver.heartbeats) > count + 2, what="heartbeats go on")
    assert _last_answer(node) < sent + LEASE_SECONDS + SLACK_SECONDS


def test_a_killed_agent_does_not_keep_a_lease_and_a_new_one_opens_only_when_it_is_renewed(
    node: GuardedNode,
) -> None:
    _leased(node)
    node.agent.end(signal.SIGKILL)
    sent = node.receiver.arrived[-1]
    _closed(node)
    assert _last_answer(node) < sent + LEASE_SECONDS + SLACK_SECONDS
    node.receiver.away = True
    count = len(node.receiver.heartbeats)
    node.start()
    eventually(lambda: len(node.receiver.heartbeats) > count + 2, what="heartbeats")
    assert _last_answer(node) < sent + LEASE_SECONDS + SLACK_SECONDS
    node.receiver.away = False
    _open(node)


def test_a_clean_stop_opens_nothing(node: GuardedNode) -> None:
    _leased(node)
    assert node.agent.end(signal.SIGTERM) < 5
    _closed(node)
    assert "drop" in node.network.run("nft", "list", "table", "inet", "transition_agent")


def test_after_a_reboot_a_leased_pod_stays_closed_until_a_heartbeat_renews_it(
    node: GuardedNode,
) -> None:
    _leased(node)
    node.agent.end(signal.SIGKILL)
    node.network.run("nft", "flush", "ruleset")  # as the kernel of a new boot
    _open(node)
    node.receiver.away = True
    node.start()
    _closed(node)
    node.receiver.away = False
    _open(node)


def test_when_a_lease_runs_out_the_containers_are_ended_too(node: GuardedNode) -> None:
    _leased(node)
    node.receiver.away = True
    eventually(lambda: node.runtime.stopped, what="the container is stopped")
    assert node.runtime.stopped == ["stop --timeout=0 container-video"]
    assert time.monotonic() - node.receiver.arrived[-1] < 60
    _closed(node)


def test_a_lease_that_exists_no_more_leaves_its_pods_open(node: GuardedNode) -> None:
    _leased(node)
    gone = PackageName(namespace="shop", package="video")
    node.receiver.reply = HeartbeatReply(epoch=1, released=(gone,))
    eventually(lambda: node.receiver.heartbeats[-1].leases == (), what="the lease is forgotten")
    begun = time.monotonic()
    eventually(lambda: time.monotonic() > begun + LEASE_SECONDS, what="a lease's time")
    _open(node)
    table = node.network.run("nft", "list", "table", "inet", "transition_agent")
    assert "package_" not in table
    assert "lease_" not in table


def test_a_lease_that_a_reply_merely_lacks_runs_out(node: GuardedNode) -> None:
    _leased(node)
    node.receiver.reply = FREE
    _closed(node)


def test_a_fence_closes_at_once_ends_the_containers_and_is_confirmed(node: GuardedNode) -> None:
    node.start()
    _open(node)
    node.receiver.reply = FENCED
    count = len(node.receiver.heartbeats)
    eventually(lambda: len(node.receiver.heartbeats) > count + 1, what="the fence is taken")
    taken = node.receiver.arrived[count + 1]
    _closed(node)
    assert _last_answer(node) < taken + SLACK_SECONDS
    eventually(lambda: node.receiver.heartbeats[-1].fenced, what="the fence is confirmed")
    assert node.receiver.heartbeats[-1].fenced == (fence().id,)
    assert node.runtime.stopped == ["stop --timeout=0 container-video"]


def test_what_a_kubelet_starts_again_is_stopped_again(node: GuardedNode) -> None:
    node.receiver.reply = FENCED
    node.start()
    for times in (1, 2, 3):
        eventually(lambda: len(node.runtime.stopped) >= times, what=f"{times} stops")  # noqa: B023 - at once
        node.runtime.start_containers(["video"])
    _closed(node)


def test_a_fence_holds_without_a_receiver_and_after_a_reboot(node: GuardedNode) -> None:
    node.receiver.reply = FENCED
    node.start()
    eventually(lambda: node.receiver.heartbeats and node.receiver.heartbeats[-1].fenced, what="")
    node.agent.end(signal.SIGKILL)
    node.network.run("nft", "flush", "ruleset")
    node.runtime.start_containers(["video"])
    node.receiver.away = True
    node.start()
    eventually(lambda: len(node.runtime.stopped) == 2, what="the container is stopped again")
    _closed(node)


def test_a_fence_that_is_lifted_opens_the_pod(node: GuardedNode) -> None:
    node.receiver.reply = FENCED
    node.start()
    eventually(lambda: node.receiver.heartbeats and node.receiver.heartbeats[-1].fenced, what="")
    node.receiver.reply = HeartbeatReply(epoch=2)
    _open(node)


def test_a_receiver_that_lost_its_memory_lifts_no_fence(node: GuardedNode) -> None:
    node.receiver.reply = FENCED
    node.start()
    node.agent.wait_for_log("container stopped")
    node.receiver.reply = FREE
    line = node.agent.wait_for_log("this reply is not believed")
    assert "epoch 1 is below 2" in line["what"]
    _closed(node)


def test_a_flushed_ruleset_is_written_again(node: GuardedNode) -> None:
    node.receiver.reply = FENCED
    node.start()
    _closed(node)
    node.network.run("nft", "flush", "ruleset")
    _open(node)
    _closed(node)


@pytest.mark.parametrize("probe", ["from_client", "from_other_pod", "from_node"])
def test_the_other_pod_of_the_node_is_left_alone(node: GuardedNode, probe: str) -> None:
    node.receiver.reply = HeartbeatReply(
        epoch=2, fences=(fence().model_copy(update={"pod_labels": {"app": "away"}}),)
    )
    node.start()
    node.agent.wait_for_log("fences have changed")
    eventually(lambda: node.receiver.heartbeats[-1].fenced, what="confirmed: no pod runs")
    assert getattr(node, probe).silent_seconds < 0.5


def test_a_pod_that_appears_later_is_closed_as_soon_as_it_is_seen(node: GuardedNode) -> None:
    node.runtime.set_pods({})
    node.receiver.reply = FENCED
    node.start()
    eventually(lambda: node.receiver.heartbeats and node.receiver.heartbeats[-1].fenced, what="")
    _open(node)
    node.runtime.set_pods({"video": "10.77.0.2"})
    _closed(node)
    assert node.runtime.stopped


def test_addresses_of_ipv6_are_closed_too(node: GuardedNode) -> None:
    with Probe(
        node.network, asker="client", asker_address=CLIENT_6, pod_address=POD_6
    ) as from_client:
        eventually(lambda: from_client.open_since(0), what="the pod answers by IPv6")
        _leased(node)
        eventually(lambda: from_client.open_since(time.monotonic() - 0.1), what="it answers")
        node.send(signal.SIGSTOP)
        sent = node.receiver.arrived[-1]
        eventually(lambda: from_client.silent_seconds > 0.5, what="no answers")
        assert from_client.answers[-1] < sent + LEASE_SECONDS + SLACK_SECONDS


def test_a_shorter_lease_counts_from_the_next_heartbeat(node: GuardedNode) -> None:
    _leased(node)
    node.receiver.reply = HeartbeatReply(epoch=1, leases=(lease(seconds=0.8),))
    count = len(node.receiver.heartbeats)
    eventually(lambda: len(node.receiver.heartbeats) > count + 2, what="heartbeats")
    node.send(signal.SIGSTOP)
    sent = node.receiver.arrived[-1]
    _closed(node)
    assert _last_answer(node) < sent + 0.8 + SLACK_SECONDS
