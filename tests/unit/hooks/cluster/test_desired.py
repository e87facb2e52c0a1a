"""What a cluster is told to run: seen on a target, taken from a lost cluster."""

from datetime import timedelta

import pytest

from airflow_transition.core.errors import TemporaryError
from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.hooks.desired import NotAppliedError

from .api_server import DEPLOYMENTS, ApiServer, deployment, status
from .conftest import Clock

IMAGE = "registry.example:5000/checkpoints/video@sha256:" + "0" * 64
MINUTE = timedelta(minutes=1)


def wait(hook: ClusterHook, *, image: str = IMAGE) -> None:
    hook.wait_applied({"video": {"app": image}}, namespaces={"shop"}, timeout=MINUTE)


def with_image(image: str, *, replicas: int = 1) -> dict:
    made = deployment()
    made["spec"]["replicas"] = replicas
    made["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return made


def test_a_commit_is_applied_once_the_api_server_wants_its_images(
    hook: ClusterHook, api: ApiServer, clock: Clock
) -> None:
    clock.while_sleeping(
        lambda: setattr(api, "on_call", lambda _m, _p: status(503, "away")),
        lambda: setattr(api, "on_call", lambda _m, _p: None),
        lambda: api.add(DEPLOYMENTS, with_image(IMAGE, replicas=0)),
        lambda: api.add(DEPLOYMENTS, with_image(IMAGE)),
    )
    wait(hook)
    assert clock.now > 0.3


@pytest.mark.parametrize(
    ("found", "why"),
    [(None, "no workload"), (with_image(IMAGE, replicas=0), "0 replicas"), (deployment(), "other")],
)
def test_a_commit_that_is_not_applied_says_what_is_there(
    hook: ClusterHook, api: ApiServer, found: dict | None, why: str
) -> None:
    api.remove(DEPLOYMENTS, "video")
    if found:
        api.add(DEPLOYMENTS, found)
    with pytest.raises(NotAppliedError, match=rf"video \({why}"):
        wait(hook)


def test_a_workload_is_scaled_to_0_and_one_that_is_not_there_is_no_error(
    hook: ClusterHook, api: ApiServer
) -> None:
    assert hook.scale_down("Deployment", namespace="shop", name="video")
    assert api.objects[DEPLOYMENTS]["video"]["spec"]["replicas"] == 0
    assert not hook.scale_down("Deployment", namespace="shop", name="another")


def test_an_api_server_that_is_away_is_not_waited_for_longer_than_asked(
    cluster: str, api: ApiServer
) -> None:
    api.on_call = lambda _m, _p: status(503, "away")
    hook = ClusterHook(cluster, patience=timedelta(seconds=1))
    assert hook.api.patience == timedelta(seconds=1)
    with pytest.raises(TemporaryError):
        hook.scale_down("Deployment", namespace="shop", name="video")
