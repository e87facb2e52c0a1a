"""A failover, with a worker that dies and parts that go away at every moment."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_transition.core.fault import Fault
from airflow_transition.core.policy import ClusterPolicy
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import FAILOVER_CHAIN, FakeRun
from tests.unit.operators.world import SOURCE, TARGET, World

NewWorld = Callable[[], World]


@pytest.fixture
def new_world(monkeypatch: pytest.MonkeyPatch, clock: VirtualTime) -> NewWorld:
    def make() -> World:
        world = World.create()
        put_outside(monkeypatch, world)
        world.client_writes()
        world.checkpointed()
        world.client_writes()
        return world

    return make


def a_fault(cluster: str = SOURCE, *, epoch: int = 1) -> Fault:
    return Fault(
        policy="clusterpolicy-sample",
        cluster=cluster,
        epoch=epoch,
        grace_seconds=20,
        silent_seconds=21,
        evidence=("1 of 1 agents silent",),
        seen=datetime.now(UTC),
    )


def started(
    policy: ClusterPolicy, world: World, *faults: Fault, run_id: str = "asset__1"
) -> FakeRun:
    run = FakeRun(policy, world, dag_id=policy.failover_dag_id, run_id=run_id)
    run.faults = list(faults or [a_fault()])
    run.parameters = dict.fromkeys(("cluster", "target"), "None") | {
        "target": "automatic",
        "dry_run": "False",
        "source_stopped": "False",
    }
    return run


def by_hand(policy: ClusterPolicy, world: World, **parameters: str) -> FakeRun:
    run = started(policy, world, run_id="manual__1")
    run.faults = []
    run.parameters |= {"cluster": SOURCE} | parameters
    return run


def with_failover(policy: ClusterPolicy, **fields: Any) -> ClusterPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["failover"] |= fields
    return ClusterPolicy.of_document(document)


def serving(world: World) -> list[str]:
    return [side.name for side in world.sides.values() if side.serves]


def assert_failed_over(world: World) -> None:
    """One copy, on the target, with what the newest verified restore point had; for good."""
    world.client_writes()
    assert serving(world) == [TARGET]
    world.bring_back(SOURCE)
    assert serving(world) == [TARGET]
    assert not world.lost
    assert len(commits(world, TARGET)) == 1
    assert len(commits(world, SOURCE)) == 1


def commits(world: World, cluster: str) -> list[dict[str, str]]:
    return [commit.trailers for commit in world.sides[cluster].commits if not commit.reverted]


def test_a_lost_cluster_package_runs_on_the_target_from_its_newest_restore_point(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.lose(SOURCE)
    assert started(policy, world).fail_over() == "success"
    assert_failed_over(world)
    assert commits(world, TARGET)[0]["Transition-Move"] == f"clusterpolicy-sample/{SOURCE}@1"


@pytest.mark.parametrize("moment", range(1, 13))
@pytest.mark.parametrize("task", FAILOVER_CHAIN)
def test_a_worker_that_dies_once_at_any_moment_changes_nothing(
    policy: ClusterPolicy, new_world: NewWorld, task: str, moment: int
) -> None:
    world = new_world()
    world.lose(SOURCE)
    died = []

    def dies(now: str, at: int) -> bool:
        if died or (now, at) != (task, moment):
            return False
        died.append(at)
        return True

    world.dies = dies
    assert started(policy, world).fail_over() == "success"
    assert_failed_over(world)
