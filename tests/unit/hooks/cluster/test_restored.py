from datetime import timedelta

import pytest

from airflow_transition.core.errors import PermanentError
from airflow_transition.hooks import restored
from airflow_transition.hooks.cluster import ClusterHook, NotRestoredInTimeError
from airflow_transition.hooks.workloads import Pod

from .api_server import DEPLOYMENTS, PODS, ApiServer, deployment, pod, status
from .conftest import Clock

IMAGE = "registry.example:5000/checkpoints/video@sha256:" + "0" * 64
MINUTE = timedelta(minutes=1)


def wait(hook: ClusterHook) -> Pod:
    return hook.wait_restored("video", images={"app": IMAGE}, timeout=MINUTE)


def test_a_restored_pod_runs_the_checkpoint_image_and_is_ready(
    hook: ClusterHook, api: ApiServer, clock: Clock
) -> None:
    api.remove(DEPLOYMENTS, "video")
    clock.while_sleeping(
        lambda: api.add(DEPLOYMENTS, deployment()),
        lambda: api.add(PODS, pod("video-1-b", image=IMAGE, ready=False, phase="Pending")),
        lambda: setattr(api, "on_call", lambda _m, _p: status(503, "away")),
        lambda: setattr(api, "on_call", lambda _m, _p: None),
        lambda: api.add(PODS, pod("video-1-b", image=IMAGE)),
    )
    assert wait(hook).name == "video-1-b"


def creating(message: str) -> dict[str, str]:
    return {"reason": "CreateContainerError", "message": message}


def pulling(message: str) -> dict[str, str]:
    return {"reason": "ImagePullBackOff", "message": f"Back-off: ErrImagePull: {message}"}


@pytest.mark.parametrize(
    ("waiting", "error"),
    [
        (
            creating("checkpoint restore via CreateContainer is disabled by configuration"),
            restored.RestoreSwitchedOffError,
        ),
        (
            creating("failed to generate spec: no command specified"),
            restored.NotSeenAsCheckpointError,
        ),
        (
            creating('failed to pull checkpoint base image "sha256:12": not found'),
            restored.BaseImagePullError,
        ),
        (
            creating("failed to restore container: criu failed: type RESTORE errno 0"),
            restored.RestoreFailedError,
        ),
        (pulling("authorization failed: unauthorized"), restored.CheckpointImagePullError),
        (pulling("x509: signed by unknown authority"), restored.CheckpointImagePullError),
    ],
)
def test_what_cannot_become_good_by_waiting_is_named_at_once(
    waiting: dict[str, str],
    error: type[PermanentError],
    hook: ClusterHook,
    api: ApiServer,
    clock: Clock,
) -> None:
    api.add(PODS, pod("video-1-b", image=IMAGE, ready=False, waiting=waiting))
    with pytest.raises(error) as raised:
        wait(hook)
    assert clock.now == 0
    assert waiting["message"] in str(raised.value)


def test_a_pull_that_may_yet_succeed_is_waited_for(
    hook: ClusterHook, api: ApiServer, clock: Clock
) -> None:
    waiting = {"reason": "ErrImagePull", "message": "dial tcp: connection refused"}
    api.add(PODS, pod("video-1-b", image=IMAGE, ready=False, waiting=waiting))
    clock.on_sleep = lambda: api.add(PODS, pod("video-1-b", image=IMAGE))
    assert wait(hook).ready


def test_a_container_that_was_restored_twice_is_a_fault(hook: ClusterHook, api: ApiServer) -> None:
    api.add(PODS, pod("video-1-b", image=IMAGE, restarts=1))
    with pytest.raises(restored.RestartedError, match="restartCount 1"):
        wait(hook)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (pod("video-1-a"), "no pod asks for the checkpoint images yet"),
        (pod("video-1-a", image=IMAGE, deleting=True), "no pod asks for the checkpoint images yet"),
        (pod("video-1-a", image=IMAGE, ready=False), "waits for app: not ready"),
    ],
)
def test_at_the_deadline_it_says_what_was_missing(
    item: dict, told: str, hook: ClusterHook, api: ApiServer
) -> None:
    api.add(PODS, item)
    with pytest.raises(NotRestoredInTimeError, match=told):
        wait(hook)
