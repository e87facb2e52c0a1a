"""A restore point that does not restore on the target gives way to the one before it."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.hooks.restored import RestoreFailedError, RestoreSwitchedOffError
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.test_failover import commits, serving, started
from tests.unit.operators.world import SOURCE, TARGET, FakeCluster, World

NewWorld = Callable[[], World]
Broken = set[str]


@pytest.fixture
def new_world(monkeypatch: pytest.MonkeyPatch, clock: VirtualTime) -> NewWorld:
    """Three restore points, the newest a minute old."""

    def make() -> World:
        world = World.create()
        put_outside(monkeypatch, world)
        for minutes_ago in (90, 30, 1):
            world.client_writes()
            world.checkpointed(minutes_ago=minutes_ago)
        world.lose(SOURCE)
        return world

    return make


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Broken:
    """Images that CRIU cannot restore."""
    images: Broken = set()
    restored = FakeCluster.wait_restored

    def wait(cluster: FakeCluster, package: str, **asked: Any) -> Any:
        pod = restored(cluster, package, **asked)
        if images & set(asked["images"].values()):
            raise RestoreFailedError("criu failed", where="node-b", do="read restore.log")
        return pod

    monkeypatch.setattr(FakeCluster, "wait_restored", wait)
    return images


def falling_back(policy: ClusterPolicy, times: int = 2, **failover: Any) -> ClusterPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["restore"]["olderOnFailure"] = times
    document["spec"]["failover"] |= failover
    return ClusterPolicy.of_document(document)


def newest_first(world: World) -> list[Any]:
    return sorted(world.restore_points.values(), key=lambda point: point.created, reverse=True)


def wanted(world: World) -> str:
    """The image that the target's repository names."""
    (text,) = world.sides[TARGET].files.values()
    return str(yaml.safe_load(text)["spec"]["template"]["spec"]["containers"][0]["image"])


def breaks(world: World, broken: Broken, *, newest: int) -> None:
    for point in newest_first(world)[:newest]:
        broken.update(point.images.values())


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_the_newest_one_that_restores_runs(
    policy: ClusterPolicy, new_world: NewWorld, broken: Broken, bad: int
) -> None:
    world = new_world()
    breaks(world, broken, newest=bad)
    assert started(falling_back(policy), world).fail_over() == "success"
    used = newest_first(world)[bad]
    assert serving(world) == [TARGET]
    assert wanted(world) == used.images["app"]
    assert len(commits(world, TARGET)) == bad + 1
    (story,) = world.transitions.values()
    (package,) = story.plan.packages
    assert package.restore_point == used.id
    assert len(package.passed_over) == bad
    age = story.ended.rpo_seconds["video"]
    assert age == pytest.approx((story.plan.lost_since - used.created).total_seconds())


def test_a_policy_that_does_not_say_so_falls_back_to_nothing(
    policy: ClusterPolicy, new_world: NewWorld, broken: Broken
) -> None:
    world = new_world()
    breaks(world, broken, newest=1)
    run = started(policy, world)
    assert run.fail_over() == "failed"
    assert "criu failed" in str(run.failures[-1])
    assert len(commits(world, TARGET)) == 1


def test_none_is_older_than_the_policy_allows(
    policy: ClusterPolicy, new_world: NewWorld, broken: Broken
) -> None:
    world = new_world()
    breaks(world, broken, newest=2)
    limited = falling_back(policy, maxRestorePointAgeSeconds=3600)
    assert started(limited, world).fail_over() == "failed"
    assert len(commits(world, TARGET)) == 2


def test_what_the_node_lacks_is_no_reason_to_lose_more_work(
    policy: ClusterPolicy, new_world: NewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(*_: Any, **__: Any) -> None:
        raise RestoreSwitchedOffError("switched off", where="node-b", do="switch it on")

    monkeypatch.setattr(FakeCluster, "wait_restored", off)
    world = new_world()
    assert started(falling_back(policy), world).fail_over() == "failed"
    assert len(commits(world, TARGET)) == 1


@pytest.mark.parametrize("moment", range(1, 16))
def test_a_worker_that_dies_on_the_way_goes_on_where_it_was(
    policy: ClusterPolicy, new_world: NewWorld, broken: Broken, moment: int
) -> None:
    world = new_world()
    breaks(world, broken, newest=2)
    died: list[int] = []

    def dies(now: str, at: int) -> bool:
        if died or (now, at) != ("verify", moment):
            return False
        died.append(at)
        return True

    world.dies = dies
    assert started(falling_back(policy), world).fail_over() == "success"
    used = newest_first(world)[2]
    assert wanted(world) == used.images["app"]
    assert len(commits(world, TARGET)) == 3
