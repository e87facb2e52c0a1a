"""Packages without live memory, whose target is brought to Git's state by an engine."""

from collections.abc import Callable

import pytest
from airflow.sdk.exceptions import TaskDeferred

from airflow_transition import outside
from airflow_transition.core.policy import ClusterPolicy
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import REDEPLOY_CHAIN, FakeRun
from tests.unit.operators.test_engines import FOLDER, serving
from tests.unit.operators.test_failover import started
from tests.unit.operators.test_pull_requests import gitea, run_all
from tests.unit.operators.test_volumes import LABELS, VOLUME
from tests.unit.operators.velero_world import VeleroWorld
from tests.unit.operators.world import MANIFEST, SOURCE, TARGET, World

NewWorld = Callable[[], World]


def as_told(policy: ClusterPolicy, *, stateful: bool, pull: bool = False) -> ClusterPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    (package,) = document["spec"]["packageSelectors"]
    package["liveStatePackage"] = False
    if not stateful:
        package |= {"packageType": "Stateless", "backupInformation": []}
    repo = "https://git.example/nephio/dr.git"
    document["spec"]["promotion"] = {"engine": "argocd", "repo": repo, "pullRequest": pull}
    return ClusterPolicy.of_document(document)


@pytest.fixture
def new_world(monkeypatch: pytest.MonkeyPatch, clock: VirtualTime) -> NewWorld:
    def make() -> World:
        world = World.create()
        world.target.folder, world.target.delivered = FOLDER, {}
        put_outside(monkeypatch, world)
        return world

    return make


@pytest.fixture
def velero(new_world: NewWorld, monkeypatch: pytest.MonkeyPatch) -> VeleroWorld:
    world = new_world()
    world.volumes = {SOURCE: 0}
    world.source.files = {
        "video/app.yaml": MANIFEST.replace("containers:", f"{VOLUME}\n      containers:")
    }
    velero = VeleroWorld(world)
    monkeypatch.setattr(outside, "velero", velero.hook)
    world.client_writes()
    return velero


def redeploy(policy: ClusterPolicy, world: World) -> FakeRun:
    return FakeRun(policy, world, dag_id=policy.redeploy_dag_id, chain=list(REDEPLOY_CHAIN))


def test_a_package_without_state_is_copied_into_the_targets_folder(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.stateless = True
    told = as_told(policy, stateful=False)
    assert redeploy(told, world).move() == "success"
    assert (serving(world), world.outages) == ([TARGET], 0)
    assert set(world.target.files) == {f"{FOLDER}/app.yaml", f"{FOLDER}.yaml"}
    assert world.target.files[f"{FOLDER}/app.yaml"] == MANIFEST


@pytest.mark.parametrize("part", [f"engine:{TARGET}", f"git:{TARGET}", f"kube:{TARGET}"])
@pytest.mark.parametrize("task", REDEPLOY_CHAIN[1:])
def test_one_copy_serves_whatever_goes_away_meanwhile(
    policy: ClusterPolicy, new_world: NewWorld, task: str, part: str
) -> None:
    world = new_world()
    world.stateless = True

    def goes_away(now: str) -> None:
        if now == task:
            world.away.add(part)

    run = redeploy(as_told(policy, stateful=False), world)
    run.move(before=goes_away)
    assert world.outages == 0
    world.away.clear()
    state = run.settle()
    assert serving(world) == [TARGET if state == "success" else SOURCE]


def test_an_engine_that_is_away_is_found_by_the_plan(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.stateless = True
    world.away.add(f"engine:{TARGET}")
    run = redeploy(as_told(policy, stateful=False), world)
    assert run.move() == "failed"
    assert f"engine:{TARGET}" in str(run.failures[-1])
    assert world.target.commits == world.source.commits == []


def test_a_package_without_state_goes_on_from_the_merge_commit(
    policy: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.stateless = True
    run = redeploy(as_told(policy, stateful=False, pull=True), world)
    merge = gitea(world).merge
    assert run_all(run, chain=REDEPLOY_CHAIN, when_waiting=merge) == "success"
    assert run.settle() == "success"
    assert (serving(world), world.outages) == ([TARGET], 0)


def test_volumes_come_along(policy: ClusterPolicy, velero: VeleroWorld) -> None:
    assert redeploy(as_told(policy, stateful=True), velero.world).move() == "success"
    velero.world.client_writes()
    assert serving(velero.world) == [TARGET]
    assert not velero.world.lost


def lost(velero: VeleroWorld) -> World:
    velero.backed_up(**LABELS)
    velero.world.lose(SOURCE)
    velero.world.acknowledged = 1
    return velero.world


@pytest.mark.parametrize("moment", range(13))
def test_a_failover_brings_volumes_and_tells_the_engine(
    policy: ClusterPolicy, velero: VeleroWorld, moment: int
) -> None:
    world, died = lost(velero), []

    def dies(now: str, at: int) -> bool:
        if died or (now, at) != ("promote", moment):
            return False
        died.append(at)
        return True

    world.dies = dies
    assert started(as_told(policy, stateful=True), world).fail_over() == "success"
    assert serving(world) == [TARGET]
    assert set(world.target.files) == {f"{FOLDER}/app.yaml", f"{FOLDER}.yaml"}
    assert len(velero.restored) == 1


def test_a_failover_with_volumes_waits_for_its_pull_request(
    policy: ClusterPolicy, velero: VeleroWorld
) -> None:
    world = lost(velero)
    run = started(as_told(policy, stateful=True, pull=True), world)
    assert run.attempt("plan") == "success"
    with pytest.raises(TaskDeferred):
        run.attempt("promote")
    assert serving(world) == []
    gitea(world).merge()
    assert (run.attempt("promote"), run.attempt("verify")) == ("success", "success")
    assert serving(world) == [TARGET]
    assert len(velero.restored) == 1
