"""A bare pod moves as other live packages do, and ends by leaving its manifest."""

from collections.abc import Callable

import pytest

from airflow_transition.core.policy import ClusterPolicy
from tests.unit.operators.conftest import VirtualTime, put_outside
from tests.unit.operators.fake_run import CHAIN, FakeRun
from tests.unit.operators.test_failover import started
from tests.unit.operators.world import SOURCE, TARGET, World

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: video
  namespace: shop
  labels: {app: video}
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
    transition.dcnlab.ssu.ac.kr/packageName: video
spec:
  containers:
    - name: app
      image: registry.example/video:1
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: video}\n"
NewWorld = Callable[[], World]


@pytest.fixture(params=[{}, {"video/service.yaml": SERVICE}], ids=["alone", "with-a-service"])
def new_world(
    monkeypatch: pytest.MonkeyPatch, clock: VirtualTime, request: pytest.FixtureRequest
) -> NewWorld:
    def make() -> World:
        world = World.create()
        world.source.files = {"video/pod.yaml": POD, **request.param}
        put_outside(monkeypatch, world)
        world.client_writes()
        return world

    return make


def serving(world: World) -> list[str]:
    return [side.name for side in world.sides.values() if side.serves]


def dies_once(task: str, moment: int) -> Callable[[str, int], bool]:
    died: list[int] = []

    def dies(now: str, at: int) -> bool:
        if died or (now, at) != (task, moment):
            return False
        died.append(at)
        return True

    return dies


@pytest.mark.parametrize("moment", range(1, 5))
@pytest.mark.parametrize("task", ["none", *CHAIN[4:], "settle"])
def test_a_move_takes_it_along_whenever_a_worker_dies(
    policy: ClusterPolicy, new_world: NewWorld, task: str, moment: int
) -> None:
    world = new_world()
    world.dies = dies_once(task, moment)
    assert FakeRun(policy, world).move() == "success"
    world.client_writes()
    assert (serving(world), world.lost) == ([TARGET], [])
    assert "video/pod.yaml" not in world.source.files
    assert "@sha256:" in world.target.files["video/pod.yaml"]


def test_it_comes_back(policy: ClusterPolicy, new_world: NewWorld) -> None:
    world = new_world()
    assert FakeRun(policy, world).move() == "success"
    world.client_writes()
    back = FakeRun(policy, world, run_id="manual__2", dag_id=policy.failback_dag_id)
    back.parameters["target"] = SOURCE
    assert back.move() == "success"
    world.client_writes()
    assert (serving(world), world.lost) == ([SOURCE], [])
    assert "video/pod.yaml" not in world.target.files


def test_a_failover_leaves_it_with_the_reason(policy: ClusterPolicy, new_world: NewWorld) -> None:
    world = new_world()
    world.checkpointed()
    world.lose(SOURCE)
    run = started(policy, world)
    assert run.fail_over() == "skipped"
    assert "deploy it as a Deployment with one replica" in run.skipped
    assert world.source.commits == []
