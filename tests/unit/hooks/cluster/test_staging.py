"""Nodes fetch images before they need them; what was fetched before is let go after."""

from datetime import timedelta
from typing import Any

import pytest

from airflow_transition.core.staging import STAGING_NAMESPACE, staging_pod
from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.hooks.staging import NotOfferedError, NotStagedError

from .api_server import ApiServer, answer

PODS = f"/api/v1/namespaces/{STAGING_NAMESPACE}/pods"
MINUTE = timedelta(minutes=1)


def pod(node: str, *, digit: str = "1", package: str = "video") -> dict[str, Any]:
    images = {"app": f"registry.example/checkpoints@sha256:{64 * digit}"}
    return staging_pod(policy="p", package=package, node=node, images=images, sleeper="busybox")


def name_of(made: dict[str, Any]) -> str:
    return str(made["metadata"]["name"])


def runs(api: ApiServer, *, ready: bool = True, reason: str = "") -> None:
    state = {"waiting": {"reason": reason, "message": "not found"}} if reason else {"running": {}}
    for made in api.objects[PODS].values():
        made["metadata"] |= {
            "namespace": STAGING_NAMESPACE,
            "uid": "u",
            "creationTimestamp": "2026-11-23T03:04:42Z",
        }
        made["status"] = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "staged", "state": state, "ready": ready}],
        }


def test_every_node_fetches_and_staging_again_changes_nothing(
    hook: ClusterHook, api: ApiServer
) -> None:
    pods = [pod("n1"), pod("n2")]
    hook.staging().put(pods)
    runs(api)
    hook.staging().put(pods)
    hook.staging().wait(pods, timeout=MINUTE)
    assert set(api.objects[PODS]) == {name_of(each) for each in pods}


def test_what_was_staged_before_goes_and_other_packages_keep_theirs(
    hook: ClusterHook, api: ApiServer
) -> None:
    old, new, other = pod("n1"), pod("n1", digit="2"), pod("n1", package="shop")
    hook.staging().put([old, new, other])
    runs(api)
    hook.staging().keep_only([name_of(new)], policy="p", package="video")
    assert set(api.objects[PODS]) == {name_of(new), name_of(other)}


def test_a_node_that_does_not_fetch_is_named_with_its_reason(
    hook: ClusterHook, api: ApiServer
) -> None:
    pods = [pod("n1")]
    hook.staging().put(pods)
    runs(api, ready=False, reason="ErrImagePull")
    with pytest.raises(NotStagedError, match="n1: ErrImagePull not found"):
        hook.staging().wait(pods, timeout=MINUTE)


def test_a_cluster_without_image_volumes_is_told_and_keeps_no_pod(
    hook: ClusterHook, api: ApiServer
) -> None:
    def without(method: str, path: str) -> Any:
        if (method, path) != ("POST", PODS):
            return None
        made = pod("n1")
        made["spec"]["volumes"] = [{"name": each["name"]} for each in made["spec"]["volumes"]]
        api.add(PODS, made)
        return answer(made, code=201)

    api.on_call = without
    with pytest.raises(NotOfferedError, match=r"1\.35"):
        hook.staging().put([pod("n1")])
    assert not api.objects[PODS]
