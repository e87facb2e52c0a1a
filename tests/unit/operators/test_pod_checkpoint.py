"""Checkpoints of a pod: all its containers, once, and only what may be checkpointed."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from transition_wire.heartbeat import PodCopy

from airflow_transition import outside
from airflow_transition.core.claim import Claim
from airflow_transition.core.whereabouts import WhereaboutsUnknownError
from airflow_transition.hooks.connection import ConnectionNotGivenError
from airflow_transition.operators.pod_checkpoint import DoorWasOpenedError, PodCheckpointOperator
from tests.unit.operators.conftest import VirtualTime
from tests.unit.operators.fake_run import FakeStateStore
from tests.unit.operators.world import SOURCE, TARGET, FakeCluster, World, a_pod

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = {"cluster": SOURCE, "package": "video", "package_path": "video"}


@pytest.fixture
def two_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = a_pod(containers=("app", "sidecar"))
    monkeypatch.setattr(FakeCluster, "find_pod", lambda *_: (pod, (a_pod(name="video-other"),)))


def checkpoint(door: Any = None, *, store: FakeStateStore | None = None) -> dict[str, Any]:
    operator = PodCheckpointOperator(task_id="checkpoint", package=PACKAGE, door=door)
    return operator.execute({"task_state_store": FakeStateStore() if store is None else store})


def close(world: World) -> dict[str, Any]:
    world.source.lock = "lock-1"
    closed = datetime.now(UTC).isoformat()
    return {"lock": "lock-1", "policy": "p", "services": [], "closed": closed}


@pytest.mark.usefixtures("world", "two_containers")
def test_all_containers_of_a_pod_make_one_checkpoint() -> None:
    made = checkpoint()
    assert [archive["container"] for archive in made["archives"]] == ["app", "sidecar"]


@pytest.mark.usefixtures("world", "two_containers")
def test_replicas_beyond_the_first_are_named_and_left_alone() -> None:
    assert checkpoint()["other_pods"] == ["video-other"]


def test_a_package_that_is_being_moved_is_skipped(world: World) -> None:
    world.source.lock = "lock-of-a-move"
    with pytest.raises(AirflowSkipException, match="being moved"):
        checkpoint()


def test_a_package_that_has_moved_is_skipped(world: World) -> None:
    world.source.files = {
        name: text.replace("replicas: 1", "replicas: 0")
        for name, text in world.source.files.items()
    }
    with pytest.raises(AirflowSkipException, match="scaled to 0"):
        checkpoint()


def test_behind_a_closed_door_an_attempt_takes_up_the_archives_of_the_one_before(
    world: World,
) -> None:
    door, store = close(world), FakeStateStore()
    assert checkpoint(door, store=store) == checkpoint(door, store=store)


@pytest.mark.usefixtures("world")
def test_with_an_open_door_each_attempt_checkpoints_anew() -> None:
    store = FakeStateStore()
    assert checkpoint(store=store)["archives"] != checkpoint(store=store)["archives"]


def test_a_door_that_was_opened_and_closed_again_voids_the_checkpoint(world: World) -> None:
    door = close(world)
    world.source.lock = "lock-2"
    with pytest.raises(DoorWasOpenedError, match="start a new move"):
        checkpoint(door)


def test_the_checkpoint_begins_a_second_after_the_door_closed(
    world: World, clock: VirtualTime
) -> None:
    """An archive of the same second, with older memory, would have the same name."""
    before = clock.now
    checkpoint(close(world))
    assert 0.9 < clock.now - before <= 1


def test_a_container_that_fails_leaves_those_before_it_remembered(
    world: World, two_containers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, store = close(world), FakeStateStore()
    called: list[str] = []
    kubelet = outside.kubelet

    def counted(package: Any) -> Any:
        hook = kubelet(package)
        original: Callable[..., Any] = hook.checkpoint

        def fails_once(**arguments: Any) -> Any:
            called.append(arguments["container"])
            if called == ["app", "sidecar"]:
                raise RuntimeError("the worker is gone")
            return original(**arguments)

        hook.checkpoint = fails_once
        return hook

    monkeypatch.setattr(outside, "kubelet", counted)
    with pytest.raises(RuntimeError):
        checkpoint(door, store=store)
    checkpoint(door, store=store)
    assert called == ["app", "sidecar", "sidecar"]


PLACES = [PACKAGE, {**PACKAGE, "cluster": TARGET}]


def followed(**arguments: Any) -> dict[str, Any]:
    operator = PodCheckpointOperator(
        task_id="checkpoint", package=PACKAGE, places=PLACES, **arguments
    )
    return operator.execute({"task_state_store": FakeStateStore()})


def move_by_hand(world: World, *, replicas: int) -> None:
    """The target's repository wants the package, the source's so many of it."""
    world.target.files, world.target.memory = dict(world.source.files), 7
    world.source.files = {
        name: text.replace("replicas: 1", f"replicas: {replicas}")
        for name, text in world.source.files.items()
    }


def test_a_package_is_checkpointed_where_its_repository_wants_it(world: World) -> None:
    assert followed()["cluster"] == SOURCE
    move_by_hand(world, replicas=0)
    assert followed()["cluster"] == TARGET


def test_a_repository_that_is_away_does_not_stop_checkpoints_elsewhere(world: World) -> None:
    move_by_hand(world, replicas=0)
    world.away.add(f"git:{SOURCE}")
    assert followed()["cluster"] == TARGET


def test_a_receiver_that_is_away_stops_no_checkpoint(world: World) -> None:
    world.away.add("receiver")
    assert followed()["cluster"] == SOURCE


def test_where_nobody_who_answers_wants_it_the_others_are_waited_for(world: World) -> None:
    world.away.add(f"git:{SOURCE}")
    with pytest.raises(WhereaboutsUnknownError):
        followed()


def test_a_package_that_no_repository_wants_is_skipped(world: World) -> None:
    move_by_hand(world, replicas=0)
    world.target.files = {}
    with pytest.raises(AirflowSkipException, match="it was stopped"):
        followed()


def test_of_two_copies_that_git_wants_the_one_that_was_given_up_is_left_alone(
    world: World,
) -> None:
    move_by_hand(world, replicas=1)
    assert followed()["cluster"] == SOURCE
    world.away.add("receiver")
    with pytest.raises(AirflowSkipException, match="more than one repository wants it"):
        followed()
    world.away.clear()
    claim = a_claim()
    world.receiver.given[claim.id] = claim
    assert followed()["cluster"] == TARGET


def a_claim(**fields: Any) -> Claim:
    return Claim(
        id=f"p/{SOURCE}@1",
        policy="p",
        cluster=SOURCE,
        epoch=1,
        run="r",
        packages=(PodCopy(package="video", namespace="shop", pod_labels={"app": "video"}),),
        made=datetime.now(UTC),
        **fields,
    )


def test_a_package_that_is_being_failed_over_is_not_checkpointed(world: World) -> None:
    """What a copy that was given up remembers must not be restored by the next failover."""
    claim = a_claim()
    world.receiver.given[claim.id] = claim
    with pytest.raises(AirflowSkipException, match="is being failed over"):
        followed()
    world.receiver.given[claim.id] = a_claim(ended=datetime.now(UTC), outcome="failed: any")
    assert followed()["cluster"] == SOURCE


def test_the_lease_of_a_package_is_registered_with_its_checkpoint(world: World) -> None:
    followed(lease_seconds=5)
    lease = world.receiver.put[SOURCE, "video"]
    assert (lease.duration_seconds, lease.pod_labels) == (5, {"app": "video"})


def test_a_copy_that_is_fenced_is_not_checkpointed(world: World) -> None:
    world.receiver.fenced[SOURCE, "video"] = "p/cluster1@1"
    with pytest.raises(AirflowSkipException, match="given up"):
        followed(lease_seconds=5)


def test_without_a_receiver_a_package_is_checkpointed_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nobody:
        @property
        def client(self) -> Any:
            raise ConnectionNotGivenError("none", where="receiver", do="create it")

    monkeypatch.setattr(outside, "receiver", Nobody)
    assert followed()["cluster"] == SOURCE
