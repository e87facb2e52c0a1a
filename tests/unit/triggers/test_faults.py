"""Faults are told once, in time, and by two signals; a glitch and a restart tell nothing."""

import asyncio
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.triggers.base import BaseEventTrigger

from airflow_transition.core.fault import Fault
from airflow_transition.core.fault_memory import AGAIN_SECONDS
from airflow_transition.core.policy_files import load_policy
from airflow_transition.fault_asset import fault_watch
from airflow_transition.triggers.fault_stream import FaultStream
from airflow_transition.triggers.faults import ClusterFaultTrigger

from .fake_fleet import FakeFleet, Node
from .virtual_time import now, run

GUIDE_POLICY = Path(__file__).parents[1] / "core" / "guide-policy.yaml"
GRACE = 3.0
KILLED = 1010.5
LAST_BEAT = 1010.2
"""The clock begins at 1000, and beats come at .2."""


def fleet(**clusters: int) -> FakeFleet:
    """Clusters with so many nodes each."""
    named = clusters or {"west": 2, "east": 1}
    return FakeFleet(
        {
            name: {f"{name}-{number}": Node() for number in range(count)}
            for name, count in named.items()
        }
    )


def trigger(policy: str = "web", *, percent: int = 100, **changes: Any) -> ClusterFaultTrigger:
    arguments = {
        "policy": policy,
        "clusters": ["west", "east"],
        "grace_seconds": int(GRACE),
        "silent_nodes_percent": percent,
        "receiver_conn_id": "receiver",
    }
    return ClusterFaultTrigger(**{**arguments, **changes})


Told = list[tuple[float, Fault]]


async def told(
    world: FakeFleet,
    *triggers: ClusterFaultTrigger,
    until: float,
    running: bool = False,
    run_after: float = 0.5,
) -> Told:
    """What the triggers tell until a moment, each with when it was told.

    Airflow creates a run `run_after` seconds after each; `running`: one is under way all the time.
    """
    found: Told = []

    async def listen(each: ClusterFaultTrigger) -> None:
        async def runs(*, active: bool = False) -> int:
            mine = [at for at, fault in found if fault.policy == each.policy]
            return int(running) if active else sum(at + run_after <= now() for at in mine)

        each._runs = runs  # type: ignore[method-assign]
        stream = FaultStream(world.connect, world, timedelta(seconds=GRACE)).run()
        async with aclosing(stream) as sights:
            async for event in each.filter_shared_stream(sights):
                found.append((now(), Fault.model_validate(event.payload)))

    listening = [asyncio.create_task(listen(each)) for each in triggers]
    await asyncio.sleep(until - now())
    for task in listening:
        task.cancel()
    results = await asyncio.gather(*listening, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in results), results
    left = {task.get_name() for task in asyncio.all_tasks()}
    assert not {name for name in left if name.startswith(("ask-", "transition-"))}
    return found


@pytest.mark.parametrize("drops_packets", [False, True])
def test_a_lost_cluster_is_told_when_its_grace_period_is_over(drops_packets: bool) -> None:
    world = fleet()
    world.drops_packets = drops_packets
    world.kill("west", at=KILLED)
    ((moment, fault),) = run(told(world, trigger(), until=1100))
    assert 0 <= moment - (LAST_BEAT + GRACE) < 0.01
    assert (fault.policy, fault.cluster, fault.epoch, fault.nodes) == ("web", "west", 1, ())
    assert fault.evidence[0].startswith("2 of 2 agents silent")
    assert "does not answer" in fault.evidence[1]


def test_the_second_signal_is_asked_early_and_right_before_the_end() -> None:
    world = fleet()
    world.drops_packets = True
    world.kill("west", at=KILLED)
    run(told(world, trigger(), until=LAST_BEAT + GRACE + 0.1))
    half = LAST_BEAT + GRACE / 2
    assert half <= world.asked[0] < half + GRACE / 10 + 0.01
    assert world.answered[0] < LAST_BEAT + GRACE
    assert len(world.asked) >= 2


def test_a_glitch_shorter_than_the_grace_period_tells_nothing() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    for node in world.clusters["west"].values():
        node.back_at = KILLED + 2
    assert run(told(world, trigger(), until=1100)) == []


def test_silence_alone_tells_nothing_while_the_api_server_answers() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    world.api_dead_at.clear()
    assert run(told(world, trigger(), until=1100)) == []


def test_an_api_server_that_falls_silent_later_completes_the_fault() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    world.api_dead_at["west"] = 1030
    ((moment, _),) = run(told(world, trigger(), until=1100))
    assert 1030 <= moment < 1035


def test_an_api_server_that_comes_and_goes_tells_one_fault() -> None:
    world = fleet()
    world.kill("west", at=KILLED)

    async def flapping() -> Told:
        async def flap() -> None:
            while True:
                await asyncio.sleep(7)
                dead = world.api_dead_at.pop("west", None)
                if dead is None:
                    world.api_dead_at["west"] = 0

        task = asyncio.create_task(flap())
        found = told(world, trigger(), until=1200)
        listening = asyncio.create_task(found)
        await asyncio.sleep(190)
        task.cancel()
        await asyncio.wait({task})
        return await listening

    assert len(run(flapping())) == 1


def test_a_part_of_the_agents_is_enough_where_the_policy_says_so() -> None:
    world = fleet(west=2)
    world.clusters["west"]["west-0"].dead_at = KILLED
    world.api_dead_at["west"] = KILLED
    found = run(told(world, trigger("all"), trigger("half", percent=50), until=1100))
    assert [fault.policy for _, fault in found] == ["half"]


def test_a_single_node_is_told_by_name_once_kubernetes_says_so_too() -> None:
    world = fleet(west=3)
    world.clusters["west"]["west-1"].dead_at = KILLED

    async def scene() -> Told:
        async def notice() -> None:
            await asyncio.sleep(1050 - now())
            world.not_ready = frozenset({"west-1"})

        noticing = asyncio.create_task(notice())
        await asyncio.sleep(0)
        listening = asyncio.ensure_future(told(world, trigger(), until=1100))
        await noticing
        return await listening

    ((moment, fault),) = run(scene())
    assert 1050 <= moment < 1061
    assert fault.nodes == ("west-1",)


def test_every_policy_of_a_cluster_is_told_from_one_look() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    policies = [trigger(f"policy-{number}") for number in range(5)]
    found = run(told(world, *policies, until=1100))
    assert sorted(fault.policy for _, fault in found) == [each.policy for each in policies]


def test_clusters_of_other_policies_are_not_told() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    assert run(told(world, trigger(clusters=["east"]), until=1100)) == []


def test_two_clusters_that_die_together_are_both_told() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    world.kill("east", at=KILLED)
    found = run(told(world, trigger(), until=1100))
    assert {fault.cluster for _, fault in found} == {"west", "east"}


def test_a_second_fault_waits_until_the_first_has_its_run() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    world.kill("east", at=KILLED)
    first, second = run(told(world, trigger(), until=1300, run_after=100))
    assert {first[1].cluster, second[1].cluster} == {"west", "east"}
    assert 100 <= second[0] - first[0] < 111


def test_a_second_fault_is_told_at_last_where_the_first_gets_no_run() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    world.kill("east", at=KILLED)
    found = run(told(world, trigger(), until=1000 + 700, run_after=1e9))
    assert {fault.cluster for _, fault in found} == {"west", "east"}


def test_a_fault_without_a_claim_is_told_again_less_and_less_often() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    first, *again = [moment for moment, _ in run(told(world, trigger(), until=1000 + 4000))]
    assert [round(moment - first, -1) for moment in again] == [AGAIN_SECONDS, 3 * AGAIN_SECONDS]


def test_a_fault_is_not_told_again_while_its_run_is_under_way() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    assert len(run(told(world, trigger(), until=1000 + 4000, running=True))) == 1


def test_a_new_triggerer_does_not_tell_what_was_claimed() -> None:
    world = fleet()
    world.kill("west", at=KILLED)

    async def scene() -> tuple[Told, Told]:
        before = await told(world, trigger(), until=1020)
        world.claim("web", cluster="west")
        return before, await told(world, trigger(), until=3000)

    before, after = run(scene())
    assert (len(before), after) == (1, [])


def test_a_new_triggerer_does_not_tell_what_a_run_is_handling() -> None:
    world = fleet()
    world.kill("west", at=KILLED)

    async def scene() -> Told:
        await told(world, trigger(), until=1020)
        return await told(world, trigger(), until=1100, running=True)

    assert run(scene()) == []


def test_a_new_triggerer_tells_what_happened_while_there_was_none() -> None:
    world = fleet()
    world.kill("west", at=KILLED)

    async def scene() -> Told:
        await asyncio.sleep(60)
        return await told(world, trigger(), until=1100)

    ((moment, _),) = run(scene())
    assert moment < 1062


def test_the_claim_of_another_policy_keeps_the_epoch_of_the_fault() -> None:
    world = fleet()
    world.kill("west", at=KILLED)

    async def scene() -> Told:
        await asyncio.sleep(30)
        world.claim("first", cluster="west")
        return await told(world, trigger("second"), until=1100)

    ((_, fault),) = run(scene())
    assert (fault.epoch, world.epochs["west"]) == (1, 2)


def test_a_cluster_that_came_back_and_is_lost_again_is_a_new_fault() -> None:
    world = fleet()
    world.kill("west", at=KILLED)

    async def scene() -> Told:
        async def life() -> None:
            await asyncio.sleep(1020 - now())
            world.claim("web", cluster="west")
            for node in world.clusters["west"].values():
                node.back_at = 1040
            world.api_dead_at["west"] = float("inf")
            await asyncio.sleep(1060 - now())
            for node in world.clusters["west"].values():
                node.back_at = float("inf")
            world.kill("west", at=1060.5)

        living = asyncio.create_task(life())
        await asyncio.sleep(0)
        listening = asyncio.ensure_future(told(world, trigger(), until=1100))
        await living
        return await listening

    found = run(scene())
    assert [fault.epoch for _, fault in found] == [1, 2]
    assert found[1][0] - (1060.2 + GRACE) < 0.01


def test_a_restart_of_the_receiver_proves_nothing_until_it_listened_long_enough() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    world.down = (1012.0, 1020.0)
    world.listening_since = 0

    async def scene() -> Told:
        async def restart() -> None:
            await asyncio.sleep(1019 - now())
            world.listening_since = 1020

        restarting = asyncio.create_task(restart())
        listening = asyncio.ensure_future(told(world, trigger(), until=1100))
        await restarting
        return await listening

    ((moment, _),) = run(scene())
    assert 1020 + GRACE <= moment < 1020 + GRACE + 1.1


def test_nothing_is_told_while_the_receiver_is_away() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    world.down = (KILLED, 1e9)
    assert run(told(world, trigger(), until=2000)) == []


def test_an_idle_fleet_costs_about_one_look_a_second() -> None:
    world = fleet()
    run(told(world, trigger(), until=1000 + 100))
    assert world.looks < 130
    assert world.asked == []


def test_a_long_dead_cluster_is_asked_less_and_less_often() -> None:
    world = fleet()
    world.kill("west", at=KILLED)
    run(told(world, trigger(), until=1000 + 3600))
    assert len(world.asked) < 450


def test_the_trigger_comes_back_as_it_was() -> None:
    path, arguments = trigger().serialize()
    assert path == "airflow_transition.triggers.faults.ClusterFaultTrigger"
    assert ClusterFaultTrigger(**arguments).serialize() == (path, arguments)


def test_policies_of_one_grace_period_share_a_stream() -> None:
    assert trigger("a").shared_stream_key() == trigger("b", percent=50).shared_stream_key()
    assert trigger().shared_stream_key() != trigger(grace_seconds=20).shared_stream_key()
    assert trigger().shared_stream_key() != trigger(receiver_conn_id="o").shared_stream_key()


def test_a_policys_asset_watches_its_clusters() -> None:
    policy = load_policy(GUIDE_POLICY)
    asset = fault_watch(policy)
    (watcher,) = asset.watchers
    assert asset.name == f"transition-fault/{policy.name}"
    assert isinstance(watcher.trigger, BaseEventTrigger)
    _, arguments = watcher.trigger.serialize()
    assert arguments["clusters"] == list(policy.clusters)
    assert arguments["grace_seconds"] == policy.spec.failover.grace_period_seconds
