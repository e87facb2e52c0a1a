"""A planned move, with a worker that dies and parts that go away at every moment."""

from collections.abc import Callable

import pytest

from airflow_transition.core.policy import ClusterPolicy
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import CHAIN, FakeRun
from tests.unit.operators.world import SOURCE, TARGET, World

PARTS = [f"kube:{SOURCE}", f"kube:{TARGET}", f"git:{SOURCE}", f"git:{TARGET}", "store", "registry"]


@pytest.fixture
def new_world(monkeypatch: pytest.MonkeyPatch, clock: VirtualTime) -> Callable[[], World]:
    def make() -> World:
        world = World.create()
        put_outside(monkeypatch, world)
        world.client_writes()
        return world

    return make


def serving(world: World) -> list[str]:
    return [side.name for side in world.sides.values() if side.serves]


def assert_ended(world: World, *, state: str) -> None:
    """One copy serves, with all that was acknowledged; a rollback leaves nothing on the target."""
    assert not world.lost
    if state == "success":
        assert serving(world) == [TARGET]
        assert world.source.memory is None
    else:
        assert serving(world) == [SOURCE]
        assert (world.target.memory, world.target.files) == (None, {})


def test_a_move_ends_on_the_target_with_everything_that_was_acknowledged(
    policy: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    state = FakeRun(policy, world).move()
    world.client_writes()
    assert state == "success"
    assert_ended(world, state=state)


@pytest.mark.parametrize("moment", range(1, 9))
@pytest.mark.parametrize("task", [*CHAIN[1:], "settle"])
def test_a_worker_that_dies_once_at_any_moment_changes_nothing(
    policy: ClusterPolicy, new_world: Callable[[], World], task: str, moment: int
) -> None:
    world = new_world()
    died = []

    def dies(now: str, at: int) -> bool:
        if died or (now, at) != (task, moment):
            return False
        died.append(at)
        return True

    world.dies = dies
    state = FakeRun(policy, world).move()
    world.client_writes()
    assert state == "success"
    assert_ended(world, state=state)


@pytest.mark.parametrize("moment", range(1, 9))
@pytest.mark.parametrize("task", CHAIN[1:])
def test_a_task_that_dies_at_a_moment_of_each_attempt_leaves_one_open_copy(
    policy: ClusterPolicy, new_world: Callable[[], World], task: str, moment: int
) -> None:
    world = new_world()
    world.dies = lambda now, at: (now, at) == (task, moment)
    run = FakeRun(policy, world)
    state = run.move()
    world.client_writes()
    assert_ended(world, state=state)


@pytest.mark.parametrize("back", ["settle", "never"])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("task", CHAIN[1:])
def test_a_part_that_goes_away_during_a_move_costs_no_acknowledged_work(
    policy: ClusterPolicy, new_world: Callable[[], World], task: str, part: str, back: str
) -> None:
    world = new_world()

    def goes_away(now: str) -> None:
        if now == task:
            world.away.add(part)
        if now == back:
            world.away.discard(part)

    run = FakeRun(policy, world)
    state = run.move(before=goes_away)
    world.away.clear()
    if back == "never":
        state = run.settle()
    world.client_writes()
    assert_ended(world, state=state)


def test_a_second_move_of_the_same_package_leaves_the_first_ones_door_alone(
    policy: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    """Of another policy, say: one policy runs one move at a time."""
    world = new_world()
    first, second = FakeRun(policy, world), FakeRun(policy, world, run_id="manual__2")
    states = []

    def interrupted(task: str) -> None:
        if task == "checkpoint":
            states.append(second.move())

    states.append(first.move(before=interrupted))
    world.client_writes()
    assert states == ["failed", "success"]
    assert second.states["close_door"] == "failed"
    assert_ended(world, state="success")
