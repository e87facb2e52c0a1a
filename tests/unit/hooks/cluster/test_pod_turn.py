"""Checkpoints of one pod take turns, and a worker that died holds nobody up for ever."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.hooks.kube_api import NotAllowedError
from airflow_transition.hooks.pod_turn import PodBusyError, Turn
from airflow_transition.hooks.workloads import Pod

from .api_server import ApiServer, status

LEASES = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
MINUTE = timedelta(minutes=1)


def abandoned(hook: ClusterHook, pod: Pod, *, holder: str) -> None:
    """A turn whose worker died: it was taken, and nothing else happens."""
    Turn(hook.api, pod, holder=holder, duration=MINUTE).take()


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.fixture
def pod(hook: ClusterHook) -> Pod:
    return hook.find_pod(hook.find_workload("video"))[0]


def lease(api: ApiServer) -> dict[str, object]:
    (found,) = api.objects[LEASES].values()
    return found["spec"]


@pytest.mark.usefixtures("sleeps")
def test_only_one_has_the_turn(hook: ClusterHook, api: ApiServer, pod: Pod) -> None:
    with hook.turn(pod, holder="one", duration=MINUTE):
        assert lease(api)["holderIdentity"] == "one"
        with (
            pytest.raises(PodBusyError, match="one"),
            hook.turn(pod, holder="two", duration=MINUTE),
        ):
            pytest.fail("two at once")
    with hook.turn(pod, holder="two", duration=MINUTE):
        assert lease(api)["holderIdentity"] == "two"
    assert api.objects[LEASES] == {}


def test_it_lasts_at_least_a_second(hook: ClusterHook, pod: Pod, sleeps: list[float]) -> None:
    """Two archives of a container within one second have the same path."""
    with hook.turn(pod, holder="one", duration=MINUTE):
        pass
    (slept,) = sleeps
    assert 0 < slept <= 1


@pytest.mark.usefixtures("sleeps")
def test_a_repeated_attempt_takes_up_its_own(hook: ClusterHook, api: ApiServer, pod: Pod) -> None:
    with (
        hook.turn(pod, holder="one", duration=MINUTE),
        hook.turn(pod, holder="one", duration=MINUTE),
    ):
        assert lease(api)["holderIdentity"] == "one"


@pytest.mark.usefixtures("sleeps")
@pytest.mark.parametrize(("ago", "free"), [(60, False), (85, False), (95, True)])
def test_what_ran_out_is_free_for_anybody(
    hook: ClusterHook, api: ApiServer, pod: Pod, ago: int, *, free: bool
) -> None:
    """Half a minute after its end: clocks differ."""
    with hook.turn(pod, holder="dead", duration=MINUTE):
        renewed = datetime.now(UTC) - timedelta(seconds=ago)
        lease(api)["renewTime"] = renewed.isoformat().replace("+00:00", "Z")
        turn = hook.turn(pod, holder="next", duration=MINUTE)
        if free:
            with turn:
                assert lease(api)["holderIdentity"] == "next"
        else:
            with pytest.raises(PodBusyError), turn:
                pass


@pytest.mark.usefixtures("sleeps")
def test_a_checkpoint_that_fails_gives_its_turn_back(
    hook: ClusterHook, api: ApiServer, pod: Pod
) -> None:
    with pytest.raises(RuntimeError), hook.turn(pod, holder="one", duration=MINUTE):
        raise RuntimeError
    assert api.objects[LEASES] == {}


def test_without_the_right_nothing_is_checkpointed(
    hook: ClusterHook, api: ApiServer, pod: Pod
) -> None:
    api.on_call = lambda method, _path: status(403, "no") if method == "POST" else None
    with pytest.raises(NotAllowedError), hook.turn(pod, holder="one", duration=MINUTE):
        pytest.fail("it had no turn")
