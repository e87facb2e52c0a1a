"""Promotions that a person merges: nothing runs before, and nothing is left when nobody does."""

import dataclasses
from collections.abc import Callable

import pytest
from airflow.sdk.exceptions import TaskDeferred

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.proposal import (
    MERGE_TIMEOUT,
    PullRequestClosedError,
    PullRequestLateError,
)
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import CHAIN, FakeRun
from tests.unit.operators.test_engines import FOLDER, serving
from tests.unit.operators.test_failover import started
from tests.unit.operators.world import SOURCE, TARGET, FakeGitea, World


@pytest.fixture
def proposed(policy: ClusterPolicy) -> ClusterPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["promotion"] = {
        "engine": "argocd",
        "repo": "https://git.example/nephio/dr.git",
        "pullRequest": True,
    }
    return ClusterPolicy.of_document(document)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, clock: VirtualTime) -> World:
    made = World.create()
    made.target.folder, made.target.delivered = FOLDER, {}
    put_outside(monkeypatch, made)
    made.client_writes()
    return made


def gitea(world: World) -> FakeGitea:
    return FakeGitea(world, side=world.target)


def run_all(run: FakeRun, *, chain: list[str], when_waiting: Callable[[], None]) -> str:
    """As Airflow does: a task that was deferred begins anew when its trigger has fired."""
    deferrals: list[TaskDeferred] = []
    for task in chain:
        while True:
            try:
                run.states[task] = run.attempt(task)
            except TaskDeferred as deferred:
                deferrals.append(deferred)
                when_waiting()
                continue
            break
        if run.states[task] == "failed":
            break
    assert {deferred.method_name for deferred in deferrals} == {"resume"}
    assert all((deferred.timeout or MERGE_TIMEOUT) > MERGE_TIMEOUT for deferred in deferrals)
    return "failed" if "failed" in run.states.values() else "success"


def propose(run: FakeRun) -> None:
    """Until the pull request waits."""
    for task in CHAIN[: CHAIN.index("promote")]:
        run.states[task] = run.attempt(task)
    with pytest.raises(TaskDeferred):
        run.attempt("promote")


def test_a_move_goes_on_from_the_merge_commit(proposed: ClusterPolicy, world: World) -> None:
    run, waited = FakeRun(proposed, world), []

    def merge() -> None:
        waited.append(serving(world))
        assert world.target.files == {}
        gitea(world).merge()

    assert run_all(run, chain=CHAIN, when_waiting=merge) == "success"
    assert run.settle() == "success"
    world.client_writes()
    assert waited == [[]]
    assert serving(world) == [TARGET]
    assert not world.lost
    assert run.xcoms["promote", "return_value"]["commit"] == "merge-1"


def test_one_pull_request_is_made_however_often_the_task_begins(
    proposed: ClusterPolicy, world: World
) -> None:
    run, waits = FakeRun(proposed, world), []

    def merge_at_last() -> None:
        waits.append(None)
        if len(waits) == 3:
            gitea(world).merge()

    assert run_all(run, chain=CHAIN, when_waiting=merge_at_last) == "success"
    assert len(world.target.pulls) == len(world.target.proposals) == 1


def test_a_pull_request_that_is_closed_ends_the_move_where_it_began(
    proposed: ClusterPolicy, world: World
) -> None:
    run = FakeRun(proposed, world)

    def close() -> None:
        gitea(world).close_pull(1)

    assert run_all(run, chain=CHAIN, when_waiting=close) == "failed"
    assert isinstance(run.failures[-1], PullRequestClosedError)
    assert run.settle() == "failed"
    world.client_writes()
    assert serving(world) == [SOURCE]
    assert not world.lost
    assert world.target.files == {}


def test_a_move_that_nobody_merged_in_time_leaves_nothing_to_merge(
    proposed: ClusterPolicy, world: World
) -> None:
    run = FakeRun(proposed, world)
    assert run_all(run, chain=CHAIN, when_waiting=lambda: make_late(world)) == "failed"
    assert run.settle() == "failed"
    (pull,) = world.target.pulls.values()
    assert not pull.is_open
    world.client_writes()
    assert serving(world) == [SOURCE]
    assert not world.lost


def make_late(world: World) -> None:
    """Nobody has looked at it for longer than a person may take."""
    for branch, pull in world.target.pulls.items():
        opened = pull.created - MERGE_TIMEOUT
        world.target.pulls[branch] = dataclasses.replace(pull, created=opened)


def test_a_failover_that_nobody_merged_in_time_leaves_nothing_to_merge(
    proposed: ClusterPolicy, world: World
) -> None:
    world.checkpointed()
    world.lose(SOURCE)
    run = started(proposed, world)
    chain = ["plan", "promote", "verify"]
    assert run_all(run, chain=chain, when_waiting=lambda: make_late(world)) == "failed"
    assert isinstance(run.failures[-1], PullRequestLateError)
    (pull,) = world.target.pulls.values()
    assert not pull.is_open
    (claim,) = world.receiver.given.values()
    assert claim.has_failed


def test_a_squashed_merge_is_found_again_and_reverted(
    proposed: ClusterPolicy, world: World
) -> None:
    run = FakeRun(proposed, world)
    propose(run)
    gitea(world).merge()
    run.states["promote"] = "failed"
    assert run.settle() == "failed"
    world.client_writes()
    assert serving(world) == [SOURCE]
    assert (world.target.files, world.target.delivered) == ({}, {})


def test_a_failover_waits_for_the_merge_with_its_source_fenced(
    proposed: ClusterPolicy, world: World
) -> None:
    world.checkpointed()
    world.lose(SOURCE)
    run = started(proposed, world)

    def merge() -> None:
        assert world.target.memory is None
        assert "replicas: 0" in world.source.files["video/app.yaml"]
        gitea(world).merge()

    chain = ["plan", "promote", "verify", "end"]
    assert run_all(run, chain=chain, when_waiting=merge) == "success"
    world.client_writes()
    assert serving(world) == [TARGET]
    assert not world.lost
    (story,) = world.transitions.values()
    assert story.promoted.commit == "merge-1"


def test_only_a_promotion_that_waits_for_a_person_has_the_time_for_it(
    policy: ClusterPolicy, proposed: ClusterPolicy, world: World
) -> None:
    for dag_id in (policy.migrate_dag_id, policy.failover_dag_id):
        limits = [
            FakeRun(each, world, dag_id=dag_id).tasks["promote"].execution_timeout
            for each in (policy, proposed)
        ]
        assert limits[0] < MERGE_TIMEOUT < limits[1]
