"""The way back, and moves from wherever a package is."""

from itertools import pairwise

import pytest

from airflow_transition.core.policy import ClusterPolicy
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import FakeRun
from tests.unit.operators.test_failover import serving, started, with_failover
from tests.unit.operators.world import SOURCE, TARGET, World


def failback(policy: ClusterPolicy, world: World, *, target: str = SOURCE) -> FakeRun:
    run = FakeRun(policy, world, dag_id=policy.failback_dag_id)
    run.parameters["target"] = target
    return run


@pytest.fixture
def failed_over(policy: ClusterPolicy, world: World) -> World:
    """The source is back, its copy is stopped, and nobody has moved anything."""
    world.client_writes()
    world.checkpointed()
    world.lose(SOURCE)
    leased = with_failover(policy, leaseSeconds=5)
    assert started(leased, world).fail_over() == "success"
    world.bring_back(SOURCE)
    world.client_writes()
    assert serving(world) == [TARGET]
    return world


def test_a_failback_loses_nothing_and_lifts_the_fence(
    policy: ClusterPolicy, failed_over: World
) -> None:
    world = failed_over
    assert (SOURCE, "video") in world.receiver.fenced
    assert failback(with_failover(policy, leaseSeconds=5), world).move() == "success"
    world.client_writes()
    assert serving(world) == [SOURCE]
    assert not world.lost
    assert world.receiver.fenced == {}


def test_the_lease_moves_along(policy: ClusterPolicy, failed_over: World) -> None:
    assert list(failed_over.receiver.put) == [(TARGET, "video")]
    assert failback(with_failover(policy, leaseSeconds=5), failed_over).move() == "success"
    assert list(failed_over.receiver.put) == [(SOURCE, "video")]


@pytest.mark.parametrize("moment", range(1, 9))
@pytest.mark.parametrize("task", ["promote", "retire", "settle"])
def test_a_worker_that_dies_during_a_failback_changes_nothing(
    policy: ClusterPolicy, failed_over: World, task: str, moment: int
) -> None:
    world, died = failed_over, []

    def dies(now: str, at: int) -> bool:
        if died or (now, at) != (task, moment):
            return False
        died.append(at)
        return True

    world.dies = dies
    assert failback(with_failover(policy, leaseSeconds=5), world).move() == "success"
    world.client_writes()
    assert serving(world) == [SOURCE]
    assert not world.lost


def test_after_a_failback_the_next_fault_is_a_new_one(
    policy: ClusterPolicy, failed_over: World
) -> None:
    world = failed_over
    assert failback(policy, world).move() == "success"
    world.client_writes()
    world.checkpointed(minutes_ago=0.1)
    world.lose(SOURCE)
    again = with_failover(policy, limits={"clustersPerHour": 9})
    fault = started(again, world).faults[0].model_copy(update={"epoch": 2})
    assert started(again, world, fault, run_id="asset__2").fail_over() == "success"
    assert serving(world) == [TARGET]
    assert len(world.receiver.given) == 2


def test_planned_moves_go_from_cluster_to_cluster_and_back(
    policy: ClusterPolicy, monkeypatch: pytest.MonkeyPatch, clock: VirtualTime
) -> None:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    third = {"name": "cluster3", "repoType": "git", "weight": 10}
    document["spec"]["targetClusterPolicy"]["preferClusters"].append(third)
    three = ClusterPolicy.of_document(document)
    world = World.create("cluster3")
    put_outside(monkeypatch, world)
    for number, (_, target) in enumerate(pairwise([SOURCE, TARGET, "cluster3", SOURCE])):
        world.client_writes()
        run = FakeRun(three, world, run_id=f"manual__{number}")
        run.parameters["target"] = target
        assert run.move() == "success"
        assert serving(world) == [target]
    world.client_writes()
    assert not world.lost
