"""The DAGs in Airflow's own hands, with its templates, XComs and teardowns, in a world of fakes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk import DAG

from airflow_transition import outside
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import load_policy
from airflow_transition.dag_builder import build_dags
from airflow_transition.dags_retention import retention_dag
from airflow_transition.example_dags import (
    example_door,
    example_move,
    example_pin,
    example_restore_point,
    example_retention,
)
from tests.unit.operators.conftest import put_outside
from tests.unit.operators.doctor_world import lay
from tests.unit.operators.retention_world import RetentionWorld, put_retention_outside
from tests.unit.operators.world import SOURCE, TARGET, World

GUIDE_POLICY = Path(__file__).parents[2] / "unit" / "core" / "guide-policy.yaml"
RunDag = Callable[..., dict[str, str]]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World.create()
    put_outside(monkeypatch, made)
    lay(monkeypatch, made, checkpointed=False)
    return made


@pytest.fixture
def retained(monkeypatch: pytest.MonkeyPatch) -> RetentionWorld:
    made = RetentionWorld(datetime.now(UTC).replace(microsecond=0))
    put_retention_outside(monkeypatch, made)
    return made


@pytest.fixture
def policy() -> ClusterPolicy:
    return load_policy(GUIDE_POLICY)


def test_a_restore_point_is_recorded(run_dag: RunDag, world: World) -> None:
    assert run_dag(example_restore_point.dag)["run"] == "success"
    (point,) = outside.store().restore_points.values()
    assert (point.package, point.cluster) == ("video", SOURCE)
    assert point.verified
    assert world.source.serves


def test_a_restore_point_is_pinned(run_dag: RunDag, world: World) -> None:
    assert run_dag(example_pin.dag) == {
        "checkpoint": "success",
        "image": "success",
        "record": "success",
        "pin": "success",
        "run": "success",
    }


@pytest.mark.parametrize(("dry_run", "left"), [(True, 2), (False, 1)])
def test_a_policys_retention_removes_what_is_old_unless_it_is_a_dry_run(
    run_dag: RunDag, policy: ClusterPolicy, retained: RetentionWorld, *, dry_run: bool, left: int
) -> None:
    """Asking Airflow for open moves is real here."""
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["retention"] = {"keepNewest": 1}
    points = [retained.take(timedelta(days=days)) for days in (30, 20)]
    dag = retention_dag(ClusterPolicy.of_document(document), shared={})
    assert set(run_dag(dag, dry_run=dry_run).values()) == {"success"}
    assert sum(retained.is_whole(point) for point in points) == left


def test_the_example_of_retention_runs(run_dag: RunDag, retained: RetentionWorld) -> None:
    assert run_dag(example_retention.dag)["run"] == "success"


def test_the_door_opens_after_maintenance(run_dag: RunDag, world: World) -> None:
    assert run_dag(example_door.dag)["run"] == "success"
    assert world.closings == 1
    assert world.source.serves


def test_the_example_of_a_move_moves(run_dag: RunDag, world: World) -> None:
    assert run_dag(example_move.dag)["run"] == "success"
    assert world.target.serves
    assert not world.lost


def test_a_policys_move_ends_on_the_target_with_a_restore_point(
    run_dag: RunDag, world: World, policy: ClusterPolicy
) -> None:
    (dag,) = build_dags(policy, only_dag_id=policy.migrate_dag_id)
    states = run_dag(dag, package="video", target=TARGET)
    assert set(states.values()) == {"success"}
    assert world.target.serves
    assert len(outside.store().restore_points) == 1


def test_a_dry_run_ends_well_after_its_plan(
    run_dag: RunDag, world: World, policy: ClusterPolicy
) -> None:
    (dag,) = build_dags(policy, only_dag_id=policy.migrate_dag_id)
    states = run_dag(dag, package="video", dry_run=True)
    assert {states.pop(done) for done in ("preflight", "plan", "run")} == {"success"}
    assert set(states.values()) == {"skipped"}
    assert world.source.serves


def test_a_failed_move_fails_its_run_and_opens_the_source(
    run_dag: RunDag, world: World, policy: ClusterPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dag,) = build_dags(policy, only_dag_id=policy.migrate_dag_id)
    for task in dag.tasks:
        task.retries = 0
    monkeypatch.setattr(
        "tests.unit.operators.world.FakeRegistry.push_checkpoint_image", lambda *_, **__: 1 / 0
    )
    states = run_dag(dag, package="video")
    assert (states["image"], states["settle"], states["run"]) == ("failed", "failed", "failed")
    assert world.source.serves
    assert not world.lost


def by_hand(policy: ClusterPolicy, *, mode: str = "Manual") -> DAG:
    """The failover DAG of a policy whose faults are not watched: no triggerer runs here."""
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["failover"]["mode"] = mode
    changed = ClusterPolicy.of_document(document)
    (dag,) = build_dags(changed, only_dag_id=changed.failover_dag_id)
    return dag


def test_a_failover_by_hand_moves_the_package(
    run_dag: RunDag, policy: ClusterPolicy, world: World
) -> None:
    world.client_writes()
    world.checkpointed()
    world.lose(SOURCE)
    states = run_dag(by_hand(policy), cluster=SOURCE)
    assert set(states.values()) == {"success"}
    assert world.target.serves
    assert world.receiver.claims()[0].outcome.startswith("restored")


def test_a_failover_whose_promotion_always_dies_fails_and_leaves_no_claim_open(
    run_dag: RunDag, policy: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.checkpointed()
    world.lose(SOURCE)
    dag = by_hand(policy)
    for task in dag.tasks:
        task.retries = 0
    monkeypatch.setattr("tests.unit.operators.world.FakeGit.commit", lambda *_, **__: 1 / 0)
    states = run_dag(dag, cluster=SOURCE)
    assert (states["promote"], states["end"], states["run"]) == ("failed", "success", "failed")
    (claim,) = world.receiver.claims()
    assert claim.has_failed


def test_a_dry_run_of_a_failover_ends_with_the_plan(
    run_dag: RunDag, policy: ClusterPolicy, world: World
) -> None:
    world.checkpointed()
    world.lose(SOURCE)
    states = run_dag(by_hand(policy), cluster=SOURCE, dry_run=True)
    assert states == {
        "plan": "success",
        "promote": "skipped",
        "verify": "skipped",
        "end": "skipped",
        "run": "success",
    }
    assert world.receiver.claims() == ()


def test_a_run_that_names_no_cluster_ends_green_with_nothing_done(
    run_dag: RunDag, policy: ClusterPolicy, world: World
) -> None:
    states = run_dag(by_hand(policy))
    assert states == {
        "plan": "skipped",
        "promote": "skipped",
        "verify": "skipped",
        "end": "success",
        "run": "success",
    }


def test_a_failback_by_hand_moves_it_home(
    run_dag: RunDag, policy: ClusterPolicy, world: World
) -> None:
    world.client_writes()
    world.checkpointed()
    world.lose(SOURCE)
    assert run_dag(by_hand(policy), cluster=SOURCE)["run"] == "success"
    world.bring_back(SOURCE)
    (dag,) = build_dags(policy, only_dag_id=policy.failback_dag_id)
    assert set(run_dag(dag, package="video").values()) == {"success"}
    world.client_writes()
    assert world.source.serves
    assert not world.target.serves
    assert not world.lost


def test_every_package_that_the_repository_annotates_gets_its_restore_point(
    run_dag: RunDag, policy: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"] |= {
        "selectMode": "All",
        "packageSelectors": [],
        "backupInformation": [{"name": "by-hand", "backupType": "Manual"}],
    }
    everything = ClusterPolicy.of_document(document)
    monkeypatch.setattr(outside, "cluster_named", lambda _name: NothingRuns())
    dag_id = everything.found_checkpoint_dag_id(backup="by-hand")
    (dag,) = build_dags(everything, only_dag_id=dag_id)
    assert run_dag(dag) == {
        "packages": "success",
        "package.checkpoint": "success",
        "package.uploaded": "success",
        "package.image": "success",
        "package.record": "success",
        "run": "success",
    }
    (point,) = outside.store().restore_points.values()
    assert (point.package, point.cluster, point.policy) == ("video", SOURCE, everything.name)
    assert world.source.serves


class NothingRuns:
    def discover(self) -> tuple[()]:
        return ()
