"""Moves and failovers whose target is brought to Git's state by an engine that has to be told."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from airflow_transition.core.doctor import Finding, Status
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.at_once import at_once
from airflow_transition.operators.engine_checks import engine_asks, engine_findings
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import CHAIN, FAILOVER_CHAIN, FakeRun
from tests.unit.operators.test_failback import failback
from tests.unit.operators.test_failover import started
from tests.unit.operators.world import MANIFEST, SOURCE, TARGET, World

FOLDER = f"{TARGET}-dr/{SOURCE}.video"
PARTS = [f"kube:{TARGET}", f"git:{TARGET}", f"engine:{TARGET}", f"engine:{SOURCE}"]


@pytest.fixture(params=["argocd", "flux"])
def told(request: pytest.FixtureRequest, policy: ClusterPolicy) -> ClusterPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["promotion"] = {
        "engine": request.param,
        "repo": "https://git.example/nephio/dr.git",
    }
    return ClusterPolicy.of_document(document)


@pytest.fixture
def new_world(monkeypatch: pytest.MonkeyPatch, clock: VirtualTime) -> Callable[[], World]:
    def make() -> World:
        world = World.create()
        world.target.folder, world.target.delivered = FOLDER, {}
        put_outside(monkeypatch, world)
        world.client_writes()
        return world

    return make


def serving(world: World) -> list[str]:
    return [side.name for side in world.sides.values() if side.serves]


def assert_ended(world: World, *, state: str) -> None:
    assert not world.lost
    assert serving(world) == [TARGET if state == "success" else SOURCE]
    if state != "success":
        assert (world.target.memory, world.target.files, world.target.delivered) == (None, {}, {})


def test_the_package_is_copied_into_the_targets_folder_and_the_source_only_scaled(
    told: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    assert FakeRun(told, world).move() == "success"
    assert_ended(world, state="success")
    assert set(world.target.files) == {f"{FOLDER}/app.yaml", f"{FOLDER}.yaml"}
    (image,) = world.images
    copied = world.target.files[f"{FOLDER}/app.yaml"]
    assert copied == MANIFEST.replace("registry.example/video:1", image)
    assert world.source.files == {"video/app.yaml": MANIFEST.replace("replicas: 1", "replicas: 0")}


@pytest.mark.parametrize("moment", range(1, 11))
@pytest.mark.parametrize("task", ["promote", "verify", "retire", "settle"])
def test_a_worker_that_dies_once_at_any_moment_changes_nothing(
    told: ClusterPolicy, new_world: Callable[[], World], task: str, moment: int
) -> None:
    world, died = new_world(), []

    def dies(now: str, at: int) -> bool:
        if died or (now, at) != (task, moment):
            return False
        died.append(at)
        return True

    world.dies = dies
    assert FakeRun(told, world).move() == "success"
    world.client_writes()
    assert_ended(world, state="success")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("task", CHAIN[1:])
def test_a_part_that_goes_away_during_a_move_costs_no_acknowledged_work(
    told: ClusterPolicy, new_world: Callable[[], World], task: str, part: str
) -> None:
    world = new_world()

    def goes_away(now: str) -> None:
        if now == task:
            world.away.add(part)
        if now == "settle":
            world.away.discard(part)

    state = FakeRun(told, world).move(before=goes_away)
    world.client_writes()
    assert_ended(world, state=state)


def test_a_plan_finds_that_the_targets_engine_is_away(
    told: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    world.away.add(f"engine:{TARGET}")
    run = FakeRun(told, world)
    assert run.attempt("plan") == "failed"
    assert f"engine:{TARGET}" in str(run.failures[-1])


@pytest.mark.parametrize("moment", range(1, 11))
@pytest.mark.parametrize("task", FAILOVER_CHAIN[1:])
def test_a_failover_is_told_to_the_engine_by_one_commit_at_whatever_moment_a_worker_dies(
    told: ClusterPolicy, new_world: Callable[[], World], task: str, moment: int
) -> None:
    world, died = new_world(), []
    world.checkpointed()
    world.lose(SOURCE)

    def dies(now: str, at: int) -> bool:
        if died or (now, at) != (task, moment):
            return False
        died.append(at)
        return True

    world.dies = dies
    assert started(told, world).fail_over() == "success"
    world.client_writes()
    assert serving(world) == [TARGET]
    assert not world.lost
    assert len(world.target.commits) == 1


def test_a_failback_scales_the_copy_in_the_targets_folder_and_keeps_it_for_the_next_time(
    told: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    world.checkpointed()
    world.lose(SOURCE)
    assert started(told, world).fail_over() == "success"
    world.bring_back(SOURCE)
    assert failback(told, world).move() == "success"
    world.client_writes()
    assert serving(world) == [SOURCE]
    assert "replicas: 0" in world.target.files[f"{FOLDER}/app.yaml"]
    assert FakeRun(told, world, run_id="manual__2").move() == "success"
    world.client_writes()
    assert serving(world) == [TARGET]
    assert not world.lost


def test_the_copy_has_nothing_that_the_package_has_no_more(
    told: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    world.source.files["video/old.yaml"] = "kind: ConfigMap\nmetadata: {name: old}\n"
    assert FakeRun(told, world).move() == "success"
    assert f"{FOLDER}/old.yaml" in world.target.files
    assert failback(told, world).move() == "success"
    del world.source.files["video/old.yaml"]
    assert FakeRun(told, world, run_id="manual__2").move() == "success"
    assert set(world.target.files) == {f"{FOLDER}/app.yaml", f"{FOLDER}.yaml"}


def test_the_plan_names_what_does_not_go_along(
    told: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()
    world.source.files["video/volume.yaml"] = (
        "kind: PersistentVolume\nmetadata: {name: disk}\nspec: {local: {path: /mnt/disk}}\n"
    )
    plan = FakeRun(told, world).execute("plan")
    line = "PersistentVolume disk: local /mnt/disk is on a node (video/volume.yaml:1)"
    assert plan["stays_behind"] == [line]
    world.checkpointed()
    world.lose(SOURCE)
    (failover,) = started(told, world).execute("plan")["plans"]
    assert failover["packages"][0]["stays_behind"] == [line]


def test_a_failover_goes_elsewhere_when_the_nearest_targets_engine_is_away(
    told: ClusterPolicy, monkeypatch: pytest.MonkeyPatch, clock: VirtualTime
) -> None:
    document = told.model_dump(mode="json", by_alias=True, exclude_none=True)
    third = {"name": "cluster3", "repoType": "git", "weight": 1}
    document["spec"]["targetClusterPolicy"]["preferClusters"].append(third)
    world = World.create("cluster3")
    for name in (TARGET, "cluster3"):
        world.sides[name].folder = f"{name}-dr/{SOURCE}.video"
        world.sides[name].delivered = {}
    put_outside(monkeypatch, world)
    world.checkpointed()
    world.lose(SOURCE)
    world.away.add(f"engine:{TARGET}")
    assert started(ClusterPolicy.of_document(document), world).fail_over() == "success"
    assert serving(world) == ["cluster3"]


def test_the_doctor_looks_at_the_engine_of_each_target(
    told: ClusterPolicy, new_world: Callable[[], World]
) -> None:
    world = new_world()

    def finding() -> Finding:
        asks = dict(engine_asks([told], patience=timedelta(seconds=1)))
        (one,) = engine_findings([told], at_once(asks))
        return one

    assert (finding().status, finding().subject) == (Status.OK, TARGET)
    world.away.add(f"engine:{TARGET}")
    assert finding().status is Status.FAILED
    assert f"engine:{TARGET}" in finding().found
