"""A failover, with a worker that dies and parts that go away at every moment."""

import dataclasses
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from airflow_transition.core.fault import Fault
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.hooks.restored import RestoreFailedError
from airflow_transition.operators.chosen_point import ChosenPointMissingError
from airflow_transition.operators.failover_claim import (
    ClaimLostError,
    FailoverClaim,
    FailoverLimitError,
)
from airflow_transition.operators.target_promotion import TargetPromotion
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import FAILOVER_CHAIN, FakeRun
from tests.unit.operators.world import (
    SOURCE,
    TARGET,
    FakeCluster,
    Side,
    World,
    a_pod,
    node_facts,
)

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
        "restore_point": "automatic",
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


def test_a_package_that_no_policy_lists_is_brought_up_too(
    everything: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.lose(SOURCE)
    assert started(everything, world).fail_over() == "success"
    assert_failed_over(world)


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


@pytest.mark.parametrize("task", ["promote", "verify"])
def test_a_task_that_dies_at_each_attempt_can_be_cleared_and_goes_on(
    policy: ClusterPolicy, new_world: NewWorld, task: str
) -> None:
    for moment in range(1, 13):
        world = new_world()
        world.lose(SOURCE)
        world.dies = lambda now, at, moment=moment: (now, at) == (task, moment)
        run = started(policy, world)
        if run.fail_over() == "failed":
            world.dies = lambda _now, _at: False
            for cleared in FAILOVER_CHAIN[FAILOVER_CHAIN.index(task) :]:
                assert run.attempt(cleared) == "success"
        assert_failed_over(world)


@pytest.mark.parametrize("part", [f"git:{TARGET}", f"kube:{TARGET}", "receiver", "store"])
@pytest.mark.parametrize("task", FAILOVER_CHAIN)
def test_what_a_part_that_is_away_stopped_a_person_starts_again(
    policy: ClusterPolicy, new_world: NewWorld, task: str, part: str
) -> None:
    world = new_world()
    world.lose(SOURCE)

    def goes_away(now: str) -> None:
        if now == task:
            world.away.add(part)

    state = started(policy, world).fail_over(before=goes_away)
    world.away.discard(part)
    if state == "failed":
        again = by_hand(policy, world)
        assert again.fail_over() in {"success", "skipped"}
    world.client_writes()
    assert serving(world) == [TARGET]
    world.bring_back(SOURCE)
    assert serving(world) == [TARGET]
    assert not world.lost


def test_a_repository_of_the_lost_cluster_that_is_away_is_waited_for(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.lose(SOURCE)
    world.away.add(f"git:{SOURCE}")
    run = started(policy, world)
    assert run.fail_over() == "failed"
    assert "does not answer" in str(run.failures[-1])


def test_a_second_run_of_the_same_fault_moves_nothing(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.lose(SOURCE)
    first, second = started(policy, world), started(policy, world, run_id="asset__2")
    second.attempt("plan")
    assert first.fail_over() == "success"
    with pytest.raises(AirflowSkipException, match="left alone"):
        second.execute("promote")
    assert started(policy, world, run_id="asset__3").fail_over() == "skipped"
    assert_failed_over(world)


THIRD = "cluster3"


@pytest.fixture
def three(policy: ClusterPolicy) -> ClusterPolicy:
    """A second target, where a person can send what the first did not get to run."""
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    third = {"name": THIRD, "repoType": "git", "weight": 10}
    document["spec"]["targetClusterPolicy"]["preferClusters"].append(third)
    return ClusterPolicy.of_document(document)


class TestTheEndOfARun:
    """However it went, it holds no claim open."""

    @pytest.fixture
    def world(self, new_world: NewWorld) -> World:
        world = new_world()
        world.lose(SOURCE)
        return world

    @pytest.mark.parametrize("task", ["promote", "verify"])
    def test_a_worker_that_always_dies_leaves_no_open_claim(
        self, policy: ClusterPolicy, world: World, task: str
    ) -> None:
        world.dies = lambda now, at: (now, at) == (task, 2)
        run = started(policy, world)
        assert run.fail_over() == "failed"
        assert run.states["end"] == "success"
        (claim,) = world.receiver.claims()
        assert claim.has_failed
        assert claim.outcome == "failed: its run is over"

    def test_one_that_a_receiver_was_told_nothing_of_is_ended_by_the_next_run(
        self, policy: ClusterPolicy, world: World
    ) -> None:
        def goes_away(task: str) -> None:
            if task == "verify":
                world.away.add("receiver")

        assert started(policy, world).fail_over(before=goes_away) == "failed"
        world.away.discard("receiver")
        assert world.receiver.claims(is_open=True)
        world.client_writes()
        world.checkpointed(TARGET, minutes_ago=0.1)
        world.bring_back(SOURCE)
        world.lose(TARGET)
        back = with_failover(policy, limits={"clustersPerHour": 9})
        assert started(back, world, a_fault(TARGET), run_id="asset__2").fail_over() == "success"
        assert serving(world) == [SOURCE]
        assert world.receiver.claims(is_open=True) == ()

    def test_the_claim_of_another_run_is_left_alone(
        self, policy: ClusterPolicy, world: World
    ) -> None:
        first, second = started(policy, world), started(policy, world, run_id="asset__2")
        for run in (first, second):
            run.attempt("plan")
        assert first.attempt("promote") == "success"
        second.attempt("end")
        (claim,) = world.receiver.claims()
        assert claim.ended is None


class TestTwoRuns:
    """Of two runs of one cluster's packages one goes on, whichever worker was paused or cleared."""

    @pytest.fixture
    def world(self, new_world: NewWorld) -> World:
        world = new_world()
        world.sides[THIRD] = Side(THIRD)
        world.lose(SOURCE)
        return world

    def test_a_paused_worker_pushes_nothing_once_another_run_has_taken_over(
        self, three: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paused, admit = started(three, world), TargetPromotion.admit

        def wakes_up_late(promotion: TargetPromotion) -> None:
            admit(promotion)
            monkeypatch.setattr(TargetPromotion, "admit", admit)
            assert by_hand(three, world, target=THIRD).fail_over() == "success"

        monkeypatch.setattr(TargetPromotion, "admit", wakes_up_late)
        assert paused.fail_over() == "failed"
        assert isinstance(paused.failures[-1], ClaimLostError)
        assert serving(world) == [THIRD]
        assert commits(world, TARGET) == []

    def test_what_a_paused_worker_pushed_before_it_was_taken_over_stays_the_one_copy(
        self, three: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = started(three, world), by_hand(three, world, target=THIRD)
        confirm = FailoverClaim.confirm

        def is_paused_then(claim: FailoverClaim) -> None:
            confirm(claim)
            second.attempt("plan")
            world.begin_attempt("promote")

        monkeypatch.setattr(FailoverClaim, "confirm", is_paused_then)
        first.attempt("plan")
        assert first.attempt("promote") == "success"
        monkeypatch.setattr(FailoverClaim, "confirm", confirm)
        assert second.attempt("promote") == "failed"
        assert "video is wanted on cluster2-aws by now" in str(second.failures[-1])
        assert serving(world) == [TARGET]
        assert commits(world, THIRD) == []

    @pytest.mark.parametrize("moment", range(1, 13))
    def test_a_cleared_task_does_not_undo_what_a_later_run_did(
        self, three: ClusterPolicy, world: World, moment: int
    ) -> None:
        world.dies = lambda now, at: (now, at) == ("promote", moment)
        first = started(three, world)
        if first.fail_over() == "success":
            return
        world.dies = lambda _now, _at: False
        by_hand(three, world, target=THIRD).fail_over()
        world.client_writes()
        served = serving(world)
        assert len(served) == 1
        with suppress(AirflowSkipException):
            first.attempt("promote")
        world.client_writes()
        assert serving(world) == served
        assert not world.lost

    def test_what_a_failed_run_fenced_moves_with_the_next_fault(
        self, policy: ClusterPolicy, world: World
    ) -> None:
        """By itself: the cluster came back with its copy fenced, and was lost again."""
        first = started(policy, world)
        first.attempt("plan")
        world.away.add(f"git:{TARGET}")
        assert first.attempt("promote") == "failed"
        world.receiver.end_claim(f"clusterpolicy-sample/{SOURCE}@1", outcome="failed: no answer")
        world.away.discard(f"git:{TARGET}")
        again = with_failover(policy, limits={"clustersPerHour": 9})
        assert started(again, world, a_fault(epoch=2), run_id="asset__2").fail_over() == "success"
        assert serving(world) == [TARGET]


class TestTheTargetFailsToo:
    """The package has left the source for good, and does not come up where it went."""

    @pytest.fixture
    def world(self, new_world: NewWorld) -> World:
        world = new_world()
        world.sides[THIRD] = Side(THIRD)
        world.lose(SOURCE)
        return world

    @pytest.fixture
    def moves(self, three: ClusterPolicy) -> ClusterPolicy:
        """More than half of the three clusters are lost in the end, which usually asks a person."""
        limits = {"clustersPerHour": 9, "silentClustersPercent": 100}
        return with_failover(three, limits=limits)

    def test_one_that_dies_before_its_commit_leaves_the_packages_to_a_person(
        self, moves: ClusterPolicy, world: World
    ) -> None:
        def dies(now: str) -> None:
            if now == "promote":
                world.lose(TARGET)

        assert started(moves, world).fail_over(before=dies) == "failed"
        assert commits(world, TARGET) == []
        assert by_hand(moves, world).fail_over() == "success"
        self.assert_on_the_third(world)

    def test_one_that_dies_after_its_commit_is_the_next_fault(
        self, moves: ClusterPolicy, world: World
    ) -> None:
        def dies(now: str) -> None:
            if now == "verify":
                world.lose(TARGET)

        assert started(moves, world).fail_over(before=dies) == "failed"
        again = started(moves, world, a_fault(TARGET), run_id="asset__2")
        assert again.fail_over() == "success"
        self.assert_on_the_third(world)

    @staticmethod
    def assert_on_the_third(world: World) -> None:
        assert serving(world) == [THIRD]
        for cluster in (SOURCE, TARGET):
            world.bring_back(cluster)
        assert serving(world) == [THIRD]
        assert not world.lost
        assert world.receiver.claims(is_open=True) == ()

    def test_an_image_that_does_not_restore_ends_the_claim_and_a_person_sends_it_on(
        self, moves: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        restored = FakeCluster.wait_restored

        def fails(*_: Any, **__: Any) -> None:
            raise RestoreFailedError("criu failed", where="node-1", do="read restore.log")

        monkeypatch.setattr(FakeCluster, "wait_restored", fails)
        run = started(moves, world)
        assert run.fail_over() == "failed"
        assert "criu failed" in str(run.failures[-1])
        assert world.receiver.claims()[0].has_failed
        (story,) = world.transitions.values()
        assert story.ended.outcome == "failed"

        monkeypatch.setattr(FakeCluster, "wait_restored", restored)
        world.acknowledged = 1  # the copy that did not come up has answered nobody
        again = by_hand(moves, world, cluster=TARGET, target=THIRD)
        assert again.fail_over() == "success"
        world.bring_back(SOURCE)
        assert serving(world) == [THIRD]


class TestTheSourceReturns:
    """In the middle of a failover, at each of its steps."""

    @pytest.mark.parametrize("moment", range(1, 9))
    @pytest.mark.parametrize("confirms", [True, False])
    def test_the_failover_goes_on_and_the_source_stays_down(
        self, policy: ClusterPolicy, new_world: NewWorld, moment: int, *, confirms: bool
    ) -> None:
        world = new_world()
        world.lose(SOURCE)
        world.receiver.confirms = confirms
        back = []

        def returns(task: str, at: int) -> bool:
            if (task, at) == ("promote", moment) and world.receiver.given and not back:
                back.append(at)
                world.bring_back(SOURCE)
            return False

        world.dies = returns
        assert started(policy, world).fail_over() == "success"
        assert_failed_over(world)

    def test_one_that_returns_before_the_claim_is_left_alone(
        self, policy: ClusterPolicy, new_world: NewWorld
    ) -> None:
        world = new_world()
        world.lose(SOURCE, cut_off=True)
        run = started(policy, world)
        run.attempt("plan")
        world.bring_back(SOURCE)
        with pytest.raises(AirflowSkipException, match="no agent of it is silent any more"):
            run.execute("promote")
        assert serving(world) == [SOURCE]
        assert commits(world, SOURCE) == []


def test_a_glitch_moves_nothing(policy: ClusterPolicy, new_world: NewWorld) -> None:
    world = new_world()
    run = started(policy, world)
    assert run.fail_over() == "skipped"
    assert "not lost" in run.skipped
    assert serving(world) == [SOURCE]


def test_silent_agents_alone_move_nothing(policy: ClusterPolicy, new_world: NewWorld) -> None:
    world = new_world()
    world.receiver.silent.add(SOURCE)
    run = started(policy, world)
    assert run.fail_over() == "skipped"
    assert "its API server answers" in run.skipped


def test_a_run_without_event_and_form_is_skipped(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    run = by_hand(policy, new_world(), cluster="None")
    assert run.fail_over() == "skipped"
    assert "no cluster was named" in run.skipped


def test_a_dry_run_shows_the_plan_and_touches_nothing(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.lose(SOURCE)
    run = by_hand(policy, world, dry_run="True")
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        run.execute("plan")
    assert set(skipped.value.tasks) == {"promote", "verify", "end"}
    assert (world.transitions, world.receiver.given) == ({}, {})
    assert "NOT PROMISED" in run.xcoms["plan", "text"]


def test_a_restore_point_that_a_person_chose_is_used_instead_of_the_newest(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    older = world.checkpointed(minutes_ago=30)
    world.lose(SOURCE)
    run = by_hand(policy, world, dry_run="True", restore_point=older.id)
    with pytest.raises(DownstreamTasksSkipped):
        run.execute("plan")
    (package,) = run.xcoms["plan", "return_value"]["plans"][0]["packages"]
    assert package["restore_point"] == older.id


def test_a_chosen_restore_point_that_is_not_there_stops_the_plan(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.lose(SOURCE)
    run = by_hand(policy, world, dry_run="True", restore_point="restore-points/a/b/c/x")
    with pytest.raises(ChosenPointMissingError, match="restore-points/a/b/c/x"):
        run.execute("plan")
    assert world.transitions == {}


def test_the_story_of_a_failover_is_written_down(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.lose(SOURCE)
    assert started(policy, world).fail_over() == "success"
    (story,) = world.transitions.values()
    assert [step.way for step in story.promoted.fencing] == [
        "git",
        "api",
        "agents",
        "lease",
        "hook",
    ]
    assert story.promoted.commit
    assert story.ended.outcome == "restored"
    assert story.ended.rto_seconds > 20
    assert 30 < story.ended.rpo_seconds["video"] < 60


class TestRestorePoints:
    def test_one_that_was_not_verified_is_passed_over(
        self, policy: ClusterPolicy, new_world: NewWorld
    ) -> None:
        world = new_world()
        world.checkpointed(minutes_ago=0.5, verified=False)
        world.lose(SOURCE)
        run = started(policy, world)
        assert run.fail_over() == "success"
        (package,) = run.xcoms["plan", "return_value"]["plans"][0]["packages"]
        assert "not read back" in package["passed_over"][0]

    def test_of_many_that_are_passed_over_few_travel_with_the_plan(
        self, policy: ClusterPolicy, new_world: NewWorld
    ) -> None:
        world = new_world()
        for number in range(9):
            world.checkpointed(minutes_ago=0.9 - number / 20, verified=False)
        world.lose(SOURCE)
        run = started(policy, world)
        assert run.fail_over() == "success"
        (package,) = run.xcoms["plan", "return_value"]["plans"][0]["packages"]
        assert package["passed_over"][-1] == "and 4 before them"
        assert len(package["passed_over"]) == 6

    def test_one_that_no_node_can_restore_is_passed_over_for_the_one_before(
        self, policy: ClusterPolicy, new_world: NewWorld
    ) -> None:
        world = new_world()
        strange = node_facts(SOURCE).model_copy(update={"architecture": "aarch64", "node": "n2"})
        world.checkpointed(minutes_ago=0.5, node=strange)
        world.lose(SOURCE)
        world.acknowledged = 1
        run = started(policy, world)
        assert run.fail_over() == "success"
        (package,) = run.xcoms["plan", "return_value"]["plans"][0]["packages"]
        assert "cannot restore it" in package["passed_over"][0]
        assert serving(world) == [TARGET]

    def test_one_that_is_too_old_stops_the_failover_with_the_reason(
        self, policy: ClusterPolicy, new_world: NewWorld
    ) -> None:
        world = new_world()
        world.lose(SOURCE)
        run = started(with_failover(policy, maxRestorePointAgeSeconds=10), world)
        assert run.fail_over() == "failed"
        assert "at most 10 s is allowed" in str(run.failures[-1])
        assert commits(world, SOURCE) == []

    def test_without_one_the_package_starts_cold_where_the_policy_allows_it(
        self, policy: ClusterPolicy, new_world: NewWorld
    ) -> None:
        world = new_world()
        world.restore_points.clear()
        world.lose(SOURCE)
        run = started(with_failover(policy, coldStart=True), world)
        assert run.fail_over() == "success"
        assert "video starts without its memory" in run.xcoms["plan", "text"]
        assert_failed_over(world)


class TestFencing:
    def test_a_partition_leaves_one_copy_where_the_package_has_a_lease(
        self, policy: ClusterPolicy, new_world: NewWorld
    ) -> None:
        world = new_world()
        world.source.leased = True
        world.lose(SOURCE, cut_off=True)
        run = started(with_failover(policy, leaseSeconds=5, unconfirmedFencing="Stop"), world)
        assert run.fail_over() == "success"
        assert world.source.memory is not None
        assert list(world.receiver.put) == [(TARGET, "video")]
        assert_failed_over(world)

    def test_where_nothing_is_confirmed_the_policy_can_say_stop(
        self, policy: ClusterPolicy, new_world: NewWorld
    ) -> None:
        world = new_world()
        world.lose(SOURCE)
        run = started(with_failover(policy, unconfirmedFencing="Stop"), world)
        assert run.fail_over() == "failed"
        assert "nothing confirms" in str(run.failures[-1])
        assert commits(world, TARGET) == []
        assert world.receiver.claims()[0].outcome.startswith("failed")

    def test_a_person_who_says_that_the_source_is_stopped_is_believed(
        self, policy: ClusterPolicy, new_world: NewWorld
    ) -> None:
        world = new_world()
        world.lose(SOURCE)
        stopped = with_failover(policy, unconfirmedFencing="Stop")
        assert started(stopped, world).fail_over() == "failed"
        assert by_hand(stopped, world, source_stopped="True").fail_over() == "success"
        assert serving(world) == [TARGET]

    def test_a_cluster_that_answers_is_scaled_down_by_its_api(
        self, policy: ClusterPolicy, new_world: NewWorld
    ) -> None:
        world = new_world()
        world.acknowledged = 1  # by hand: what came after the restore point is given up
        run = by_hand(policy, world)
        assert run.fail_over() == "success"
        story = next(iter(world.transitions.values()))
        assert story.promoted.fencing[1].certain_of == ("video",)

    def test_the_users_own_hook_is_asked_and_its_failure_stops_nothing(
        self, policy: ClusterPolicy, new_world: NewWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = new_world()
        world.lose(SOURCE)
        name = f"{__name__}.broken_hook"
        monkeypatch.setenv("AIRFLOW__TRANSITION__FENCING_HOOK", name)
        monkeypatch.setitem(sys.modules, __name__, sys.modules[broken_hook.__module__])
        assert started(policy, world).fail_over() == "success"
        story = next(iter(world.transitions.values()))
        assert "out of order" in story.promoted.fencing[-1].text


def broken_hook(cluster: str, packages: tuple[str, ...]) -> Any:
    raise RuntimeError("out of order")


def test_limits_stop_the_run_before_anything_is_touched(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.lose(SOURCE)
    for name in ("a", "b"):
        world.sides[name] = Side(name)
        world.receiver.silent.add(name)
    run = started(policy, world)
    assert run.fail_over() == "failed"
    assert isinstance(run.failures[-1], FailoverLimitError)
    assert commits(world, SOURCE) == []
    assert by_hand(policy, world).fail_over() == "success"


def test_several_faults_in_one_run_are_all_handled(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    """Where the package was promoted before, the other cluster's fault finds nothing to move."""
    world = new_world()
    world.lose(SOURCE)
    run = started(policy, world, a_fault(TARGET), a_fault(SOURCE), a_fault(SOURCE, epoch=1))
    assert run.fail_over() == "success"
    assert_failed_over(world)


def test_a_door_that_a_move_left_closed_on_the_target_is_opened(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.target.lock, world.target.owner = "lock-9", "migrate.p/run"
    world.lose(SOURCE)
    assert started(policy, world).fail_over() == "success"
    assert_failed_over(world)


def test_a_planned_move_that_the_fault_interrupted_goes_on_at_its_target(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    move = FakeRun(policy, world)
    for task in ("plan", "close_door", "checkpoint", "image", "promote", "record"):
        assert move.attempt(task) == "success"
    assert world.target.memory is not None
    world.lose(SOURCE)
    assert started(policy, world).fail_over() == "success"
    assert serving(world) == [TARGET]
    assert move.settle() == "failed"
    assert serving(world) == [TARGET]


def test_a_copy_that_serves_elsewhere_is_left_alone(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.target.files = dict(world.source.files)
    world.lose(SOURCE)
    run = started(policy, world)
    assert run.fail_over() == "skipped"
    assert "it serves there" in run.skipped


def test_failovers_go_on_from_cluster_to_cluster_and_back(
    policy: ClusterPolicy, monkeypatch: pytest.MonkeyPatch, clock: VirtualTime
) -> None:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    third = {"name": "cluster3", "repoType": "git", "weight": 10}
    document["spec"]["targetClusterPolicy"]["preferClusters"].append(third)
    document["spec"]["failover"]["limits"]["clustersPerHour"] = 9
    three = ClusterPolicy.of_document(document)
    world = World.create("cluster3")
    put_outside(monkeypatch, world)
    way = [SOURCE, TARGET, "cluster3", SOURCE, TARGET]
    for number, (lost, target) in enumerate(pairwise(way)):
        world.client_writes()
        world.checkpointed(lost, minutes_ago=9 - number)
        world.lose(lost)
        run = by_hand(three, world, cluster=lost, target=target)
        run.run_id = f"manual__{number}"
        assert run.fail_over() == "success"
        world.bring_back(lost)
        assert serving(world) == [target]
    assert not world.lost


class TestLostNodes:
    """One of the source's nodes is lost; the other one and the API server live."""

    @pytest.fixture
    def world(self, new_world: NewWorld) -> World:
        world = new_world()
        world.receiver.others[SOURCE] = ("node-2",)
        world.receiver.silent.add(SOURCE)
        world.acknowledged = 1  # what came after the restore point died with the node
        return world

    def run(self, policy: ClusterPolicy, world: World, *, node: str) -> FakeRun:
        return started(policy, world, a_fault().model_copy(update={"nodes": (node,)}))

    def test_what_ran_on_it_moves(self, policy: ClusterPolicy, world: World) -> None:
        run = self.run(policy, world, node="node-1")
        assert run.fail_over() == "success"
        assert run.xcoms["plan", "return_value"]["plans"][0]["nodes"] == ["node-1"]
        assert serving(world) == [TARGET]

    def test_what_did_not_run_on_it_stays(
        self, policy: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        on_another = dataclasses.replace(a_pod(), node="node-2")
        monkeypatch.setattr(FakeCluster, "pods", lambda *_: (on_another,))
        run = self.run(policy, world, node="node-1")
        assert run.fail_over() == "skipped"
        assert "it does not run on node-1" in run.skipped

    def test_a_node_that_is_heard_again_moves_nothing(
        self, policy: ClusterPolicy, world: World
    ) -> None:
        world.receiver.silent.clear()
        run = self.run(policy, world, node="node-1")
        assert run.fail_over() == "skipped"
        assert "not lost" in run.skipped


class TestSeveralMemories:
    """A StatefulSet of three: one image cannot stand for them all."""

    @pytest.fixture
    def world(self, new_world: NewWorld) -> World:
        world = new_world()
        (text,) = world.source.files.values()
        text = text.replace("kind: Deployment", "kind: StatefulSet")
        world.source.files = {"video/app.yaml": text.replace("replicas: 1", "replicas: 3")}
        world.lose(SOURCE)
        return world

    def test_it_stays_with_the_reason(self, policy: ClusterPolicy, world: World) -> None:
        run = started(policy, world)
        assert run.fail_over() == "skipped"
        assert "each from its own memory" in run.skipped

    def test_it_starts_cold_with_all_replicas_where_the_policy_says_so(
        self, policy: ClusterPolicy, world: World
    ) -> None:
        run = started(with_failover(policy, coldStart=True), world)
        assert run.attempt("plan") == "success"
        (plan,) = run.xcoms["plan", "return_value"]["plans"]
        (package,) = plan["packages"]
        assert (package["replicas"], package.get("restore_point")) == (3, None)
