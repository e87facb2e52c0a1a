"""What people read of a transition later: written down and told as it happens."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_transition.core.catalogue import TransitionKind, TransitionState
from airflow_transition.core.failover import FailoverPlan
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.told_stories import told_failover, told_move
from airflow_transition.operators.approval import approved_by
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import FakeRun
from tests.unit.operators.test_failover import started
from tests.unit.operators.world import SOURCE, TARGET, World


@pytest.fixture
def new_world(monkeypatch: pytest.MonkeyPatch, clock: VirtualTime) -> Callable[[], World]:
    def make() -> World:
        world = World.create()
        put_outside(monkeypatch, world)
        world.client_writes()
        return world

    return make


def failed_over(policy: ClusterPolicy, world: World) -> FakeRun:
    world.checkpointed()
    world.lose(SOURCE)
    run = started(policy, world)
    assert run.fail_over() == "success"
    return run


def test_a_move_is_told_from_its_plan_to_its_end(
    policy: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    run = FakeRun(policy, world)
    assert run.move() == "success"
    begun, *_, ended = world.catalogue.stories
    assert (begun.state, begun.kind) == (TransitionState.RUNNING, TransitionKind.MIGRATION)
    assert (ended.state, ended.source, ended.target) == (TransitionState.DONE, SOURCE, TARGET)
    assert ended.rpo_seconds == {"video": 0.0}
    assert ended.downtime_seconds is not None
    assert [step.name for step in ended.steps][:3] == ["plan", "close_door", "checkpoint"]
    assert ended.images
    assert ended.commit
    assert ended == told_move(world.moves[ended.id])


def test_a_move_that_is_rolled_back_says_why_and_what_to_do(
    policy: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()

    def before(task: str) -> None:
        if task == "image":
            world.away.add("registry")

    assert FakeRun(policy, world).move(before=before) == "failed"
    ended = world.catalogue.stories[-1]
    assert ended.state is TransitionState.ROLLED_BACK
    assert "open on cluster1-azure again" in (ended.outcome or "")
    assert "start a new move" in (ended.next_step or "")
    states = {step.name: step.state for step in ended.steps}
    assert (states["image"], states["promote"]) == ("failed", "skipped")


def test_a_restore_point_is_told_with_its_steps_and_its_policys_promise(
    policy: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    run = FakeRun(policy, world)
    run.move()
    run.execute("record")
    (told,) = [told for told in world.catalogue.told if told.points]
    assert set(told.points[0].point.seconds) == {"checkpoint", "upload", "image"}
    (known,) = told.policies
    assert (known.policy, known.complete) == (policy.name, False)
    assert [package.package for package in known.packages] == ["video"]


def test_a_failover_is_told_with_its_evidence_steps_and_rpo(
    policy: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    failed_over(policy, world)
    ended = world.catalogue.stories[-1]
    assert (ended.kind, ended.state) == (TransitionKind.FAILOVER, TransitionState.DONE)
    assert ended.evidence
    assert ended.fencing
    names = [step.name for step in ended.steps]
    assert names[0] == "plan"
    assert names[-1] == "verify"
    assert {"claim", "fence", "commit", "sync"} <= set(names)
    assert set(ended.rpo_seconds) == {"video"}
    (story,) = world.transitions.values()
    assert ended == told_failover(story)


def test_a_failover_whose_run_ends_early_is_closed_by_the_teardown(
    policy: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    world.checkpointed()
    world.lose(SOURCE)
    run = started(policy, world)
    run.execute("plan")
    run.execute("promote")
    run.execute("end")
    ended = world.catalogue.stories[-1]
    assert ended.state is TransitionState.FAILED
    assert "start failover.clusterpolicy-sample by hand" in (ended.next_step or "")


@pytest.mark.parametrize("kind", ["move", "failover"])
def test_a_catalogue_that_is_away_fails_nothing(
    policy: ClusterPolicy, new_world: Callable[[], World], kind: str
) -> None:
    world = new_world()
    world.catalogue.away = True
    if kind == "move":
        assert FakeRun(policy, world).move() == "success"
        assert len(world.moves) == 1
    else:
        failed_over(policy, world)
        assert len(world.transitions) == 1
    assert world.catalogue.told == []


def test_a_story_that_cannot_be_written_leaves_the_move_done(
    policy: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    run = FakeRun(policy, world)

    def before(task: str) -> None:
        if task == "settle":
            world.away.add("store")

    assert run.move(before=before) == "success"
    assert world.moves == {}


class _Ti:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def xcom_pull(self, *, task_ids: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("by_hand", "answer", "name"),
    [
        (False, {"responded_by_user": {"id": "7", "name": "alice"}}, "alice"),
        (False, {"responded_by_user": {"id": "7"}}, "7"),
        (False, None, None),
        (False, RuntimeError("no XCom"), None),
        (True, None, "bob"),
    ],
)
def test_who_said_yes_is_found_out_or_left_open(
    policy: ClusterPolicy,
    new_world: Callable[[], World],
    by_hand: bool,
    answer: Any,
    name: str | None,
) -> None:
    world = new_world()
    run = failed_over(policy, world)
    planned = run.xcoms["plan", "return_value"]["plans"][0]
    plan = FailoverPlan.model_validate({**planned, "approved": True, "by_hand": by_hand})
    context: Any = {
        "ti": _Ti(answer),
        "dag_run": SimpleNamespace(triggering_user_name="bob" if by_hand else None),
    }
    assert approved_by(context, plan=plan) == name
    unasked = plan.model_copy(update={"approved": False})
    assert approved_by(context, plan=unasked) is None


def test_steps_of_a_failover_follow_each_other(
    policy: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    failed_over(policy, world)
    steps = world.catalogue.stories[-1].steps[1:]
    for step, following in pairwise(steps):
        assert step.began is not None
        assert following.began is not None
        end = step.began + timedelta(seconds=step.seconds or 0)
        assert abs((following.began - end).total_seconds()) < 0.01
