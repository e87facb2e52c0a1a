"""A package without state moves: served at every moment, whatever dies or goes away."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.redeployment import NotRedeployableError
from airflow_transition.operators.preflight import NoTargetError, NotMovableError
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import REDEPLOY_CHAIN, FakeRun
from tests.unit.operators.test_failover import started
from tests.unit.operators.world import MANIFEST, SOURCE, TARGET, World

NewWorld = Callable[[], World]


@pytest.fixture
def stateless(policy: ClusterPolicy) -> ClusterPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    (package,) = document["spec"]["packageSelectors"]
    package |= {"packageType": "Stateless", "liveStatePackage": False, "backupInformation": []}
    return ClusterPolicy.of_document(document)


@pytest.fixture
def new_world(monkeypatch: pytest.MonkeyPatch, clock: VirtualTime) -> NewWorld:
    def make() -> World:
        world = World.create()
        world.stateless = True
        put_outside(monkeypatch, world)
        return world

    return make


def redeploy(policy: ClusterPolicy, world: World, **parameters: str) -> FakeRun:
    run = FakeRun(policy, world, dag_id=policy.redeploy_dag_id, chain=list(REDEPLOY_CHAIN))
    run.parameters |= parameters
    return run


def serving(world: World) -> list[str]:
    return [side.name for side in world.sides.values() if side.serves]


def with_manifest(world: World, old: str, new: str) -> None:
    assert old in MANIFEST
    world.source.files = {"video/app.yaml": MANIFEST.replace(old, new)}


def test_it_moves_with_its_own_images_and_replicas_and_is_never_away(
    stateless: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    with_manifest(world, "replicas: 1", "replicas: 3")
    assert redeploy(stateless, world).move() == "success"
    assert (serving(world), world.outages) == ([TARGET], 0)
    assert world.target.files == {"video/app.yaml": MANIFEST.replace("replicas: 1", "replicas: 3")}
    assert "replicas: 0" in world.source.files["video/app.yaml"]
    assert world.closings == 0


def test_it_comes_back_the_same_way(stateless: ClusterPolicy, new_world: NewWorld) -> None:
    world = new_world()
    assert redeploy(stateless, world).move() == "success"
    back = redeploy(stateless, world, target=SOURCE)
    back.run_id = "manual__2"
    assert back.move() == "success"
    assert (serving(world), world.outages) == ([SOURCE], 0)


@pytest.mark.parametrize("moment", range(1, 5))
@pytest.mark.parametrize("task", [*REDEPLOY_CHAIN[1:], "settle"])
def test_a_worker_that_dies_once_at_any_moment_changes_nothing(
    stateless: ClusterPolicy, new_world: NewWorld, task: str, moment: int
) -> None:
    world, died = new_world(), []

    def dies(now: str, at: int) -> bool:
        if died or (now, at) != (task, moment):
            return False
        died.append(at)
        return True

    world.dies = dies
    assert redeploy(stateless, world).move() == "success"
    assert (serving(world), world.outages) == ([TARGET], 0)


@pytest.mark.parametrize("moment", range(1, 5))
@pytest.mark.parametrize("task", REDEPLOY_CHAIN[1:])
def test_a_task_that_dies_at_each_attempt_leaves_one_copy(
    stateless: ClusterPolicy, new_world: NewWorld, task: str, moment: int
) -> None:
    world = new_world()
    world.dies = lambda now, at: (now, at) == (task, moment)
    state = redeploy(stateless, world).move()
    assert serving(world) == [TARGET if state == "success" else SOURCE]
    assert world.outages == 0


@pytest.mark.parametrize("part", [f"kube:{TARGET}", f"git:{TARGET}", f"git:{SOURCE}"])
@pytest.mark.parametrize("task", REDEPLOY_CHAIN[1:])
def test_a_part_that_goes_away_for_good_leaves_it_served(
    stateless: ClusterPolicy, new_world: NewWorld, task: str, part: str
) -> None:
    world = new_world()

    def goes_away(now: str) -> None:
        if now == task:
            world.away.add(part)

    run = redeploy(stateless, world)
    run.move(before=goes_away)
    assert world.outages == 0
    world.away.clear()
    state = run.settle()
    assert serving(world) == [TARGET if state == "success" else SOURCE]


def test_after_a_rollback_the_next_move_opens_what_was_left_closed(
    stateless: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.dies = lambda now, _at: now == "retire"
    assert redeploy(stateless, world).move() == "failed"
    assert (serving(world), world.target.lock is not None) == ([SOURCE], True)
    world.dies = lambda _now, _at: False
    again = redeploy(stateless, world)
    again.run_id = "manual__2"
    assert again.move() == "success"
    assert serving(world) == [TARGET]


def test_a_source_without_a_control_plane_is_left_by_its_repository_alone(
    stateless: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.away.add(f"kube:{SOURCE}")
    run = redeploy(stateless, world)
    assert run.move() == "success"
    notes = run.xcoms["plan", "return_value"]["notes"]
    assert any("does not answer" in note for note in notes)
    assert serving(world) == [TARGET]
    assert "replicas: 0" in world.source.files["video/app.yaml"]


def test_a_dry_run_touches_nothing(stateless: ClusterPolicy, new_world: NewWorld) -> None:
    world = new_world()
    run = redeploy(stateless, world, dry_run="True")
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        run.execute("plan")
    assert set(skipped.value.tasks) >= {*REDEPLOY_CHAIN[1:], "settle"}
    assert (world.target.commits, world.source.commits) == ([], [])


def test_a_target_whose_api_server_is_away_is_none(
    stateless: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    world.away.add(f"kube:{TARGET}")
    with pytest.raises(NoTargetError, match=TARGET):
        redeploy(stateless, world).execute("plan")


def test_a_node_that_the_target_lacks_is_named_before_anything_happens(
    stateless: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    with_manifest(world, "containers:", "nodeSelector: {disk: nvme}\n      containers:")
    with pytest.raises(NoTargetError, match="no node of it has nodeSelector disk=nvme"):
        redeploy(stateless, world).execute("plan")
    world.target.nodes.append({"disk": "nvme", "zone": "a"})
    assert redeploy(stateless, world).move() == "success"


def test_what_stays_behind_is_in_the_plan(stateless: ClusterPolicy, new_world: NewWorld) -> None:
    world = new_world()
    with_manifest(
        world,
        "containers:",
        "volumes: [{name: cache, hostPath: {path: /var/cache}}]\n      containers:",
    )
    plan: dict[str, Any] = redeploy(stateless, world).execute("plan")
    (line,) = plan["stays_behind"]
    assert line.startswith("volume cache: hostPath /var/cache is a folder of its node")


def test_a_daemon_set_is_refused_with_what_to_do(
    stateless: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    with_manifest(world, "kind: Deployment", "kind: DaemonSet")
    with pytest.raises(NotRedeployableError, match="on every cluster that needs it"):
        redeploy(stateless, world).execute("plan")


def test_each_kind_of_package_is_sent_to_the_dag_that_moves_it(
    policy: ClusterPolicy, stateless: ClusterPolicy, new_world: NewWorld
) -> None:
    world = new_world()
    with pytest.raises(PermanentError, match=r"start the DAG redeploy\."):
        FakeRun(stateless, world).execute("plan")
    run = redeploy(stateless, world)
    run.tasks["plan"].policy = policy
    with pytest.raises(NotMovableError, match=r"start the DAG migrate\."):
        run.execute("plan")


class TestAFailover:
    """Beside live packages, by the same DAG: anew, with its own images and replicas."""

    @pytest.fixture
    def world(self, new_world: NewWorld) -> World:
        world = new_world()
        with_manifest(world, "replicas: 1", "replicas: 3")
        world.lose(SOURCE)
        return world

    def test_brings_it_up_as_it_was(self, stateless: ClusterPolicy, world: World) -> None:
        run = started(stateless, world)
        assert run.fail_over() == "success"
        assert serving(world) == [TARGET]
        assert "replicas: 3" in world.target.files["video/app.yaml"]
        assert "it has no state" in run.xcoms["plan", "text"]
        world.bring_back(SOURCE)
        assert serving(world) == [TARGET]

    @pytest.mark.parametrize("moment", range(1, 13))
    @pytest.mark.parametrize("task", ["promote", "verify"])
    def test_a_worker_that_dies_changes_nothing(
        self, stateless: ClusterPolicy, world: World, task: str, moment: int
    ) -> None:
        died = []

        def dies(now: str, at: int) -> bool:
            if died or (now, at) != (task, moment):
                return False
            died.append(at)
            return True

        world.dies = dies
        assert started(stateless, world).fail_over() == "success"
        assert serving(world) == [TARGET]

    def test_says_which_node_it_will_wait_for(self, stateless: ClusterPolicy, world: World) -> None:
        with_manifest(world, "containers:", "nodeSelector: {disk: nvme}\n      containers:")
        run = started(stateless, world)
        run.attempt("plan")
        assert (
            "video waits for a node: none of cluster2-aws has nodeSelector disk=nvme"
            in (run.xcoms["plan", "text"])
        )

    def test_leaves_a_daemon_set_with_the_reason(
        self, stateless: ClusterPolicy, world: World
    ) -> None:
        with_manifest(world, "kind: Deployment", "kind: DaemonSet")
        run = started(stateless, world)
        assert run.fail_over() == "skipped"
        assert "a DaemonSet cannot be moved" in run.skipped
