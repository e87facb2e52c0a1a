"""Packages are found by two annotations, on workloads and on pods that nobody made."""

import copy
import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.core.manifests import PACKAGE_ANNOTATION, POLICY_ANNOTATION
from airflow_transition.hooks.cluster import ClusterHook, NoWorkloadError, SeveralWorkloadsError
from airflow_transition.hooks.door import DoorTooWideError
from airflow_transition.hooks.workloads import Annotated

from .api_server import DEPLOYMENTS, PODS, ApiServer, answer, deployment, pod
from .conftest import Exchange
from .test_kubelet import TEN_SECONDS

ALL_PODS = "/api/v1/pods"


def annotated(item: dict[str, Any], package: str) -> dict[str, Any]:
    marked = copy.deepcopy(item)
    marked["metadata"]["annotations"] = {
        **marked["metadata"].get("annotations", {}),
        POLICY_ANNOTATION: "true",
        PACKAGE_ANNOTATION: package,
    }
    return marked


def bare(name: str, package: str, **more: Any) -> dict[str, Any]:
    item = annotated(pod(name, **more), package)
    del item["metadata"]["ownerReferences"]
    return item


def test_every_kind_of_workload_and_a_bare_pod_are_discovered(
    hook: ClusterHook, api: ApiServer
) -> None:
    for kind in ("statefulsets", "daemonsets"):
        item = deployment(kind, package=f"of-{kind}", uid=kind)
        api.add(f"/apis/apps/v1/namespaces/shop/{kind}", item)
    api.add(DEPLOYMENTS, deployment("plain", package=None, uid="p"))
    api.add(PODS, bare("alone", "single"))
    assert hook.discover() == (
        Annotated("DaemonSet", "shop", "daemonsets", "of-daemonsets"),
        Annotated("StatefulSet", "shop", "statefulsets", "of-statefulsets"),
        Annotated("Pod", "shop", "alone", "single"),
        Annotated("Deployment", "shop", "video", "video"),
    )
    assert hook.discover(namespace="test") == ()


def test_a_pod_that_a_workload_made_is_not_a_package_of_its_own(
    hook: ClusterHook, api: ApiServer
) -> None:
    api.add(PODS, annotated(pod("video-1-a"), "video"))
    assert [each.kind for each in hook.discover()] == ["Deployment"]


@pytest.mark.parametrize("marks", [{POLICY_ANNOTATION: "true"}, {PACKAGE_ANNOTATION: "half"}])
def test_one_annotation_of_the_two_is_not_enough(
    marks: dict[str, str], hook: ClusterHook, api: ApiServer
) -> None:
    item = bare("half", "half")
    item["metadata"]["annotations"] = marks
    api.add(PODS, item)
    assert [each.package for each in hook.discover()] == ["video"]


def test_a_package_that_is_there_twice_is_shown_twice(hook: ClusterHook, api: ApiServer) -> None:
    api.add(DEPLOYMENTS, deployment("copy", uid="d2"))
    assert [each.name for each in hook.discover()] == ["copy", "video"]


def test_metadata_alone_is_asked_for_in_large_pages(cluster: str, httpserver: HTTPServer) -> None:
    seen = []

    def page(request: Request) -> Response:
        seen.append((request.path, request.args["limit"], request.headers["Accept"]))
        more = "" if request.args.get("continue") or request.path != ALL_PODS else "2"
        return answer({"metadata": {"continue": more}, "items": []})

    for path in (ALL_PODS, *(f"/apis/apps/v1/{kind}s" for kind in KINDS)):
        httpserver.expect_request(path).respond_with_handler(page)
    assert ClusterHook(cluster).discover() == ()
    assert len(seen) == len(KINDS) + 2
    assert {limit for _, limit, _ in seen} == {"1000"}
    assert all("as=PartialObjectMetadataList" in accept for _, _, accept in seen)
    httpserver.check()


KINDS = ("deployment", "statefulset", "daemonset")


def test_a_recorded_list_is_understood_with_and_without_what_a_server_leaves_out(
    cluster: str, httpserver: HTTPServer
) -> None:
    whole = json.loads(Exchange.load("list-deployments.json").body)
    partial = {**whole, "items": [{"metadata": item["metadata"]} for item in whole["items"]]}
    empty = {"metadata": {}, "items": []}
    for path in (ALL_PODS, "/apis/apps/v1/statefulsets", "/apis/apps/v1/daemonsets"):
        httpserver.expect_request(path).respond_with_json(empty)
    for body in (whole, partial):
        httpserver.expect_oneshot_request("/apis/apps/v1/deployments").respond_with_json(body)
        assert ClusterHook(cluster).discover() == (
            Annotated("Deployment", "shop", "video", "video"),
        )


def test_a_bare_pod_is_found_by_its_package_and_is_the_pod_to_checkpoint(
    hook: ClusterHook, api: ApiServer
) -> None:
    api.add(PODS, bare("alone", "single"))
    workload = hook.find_workload("single")
    assert (workload.kind, workload.name, workload.containers) == ("Pod", "alone", ("app",))
    chosen, beside = hook.find_pod(workload)
    assert (chosen.name, beside) == ("alone", ())


def test_a_bare_pod_is_looked_for_only_where_no_workload_has_the_package(
    hook: ClusterHook, api: ApiServer
) -> None:
    hook.find_workload("video")
    assert ("GET", ALL_PODS) not in api.calls
    with pytest.raises(NoWorkloadError):
        hook.find_workload("nothing")
    assert ("GET", ALL_PODS) in api.calls


def test_two_bare_pods_of_one_package_are_refused(hook: ClusterHook, api: ApiServer) -> None:
    api.add(PODS, bare("one", "single"), bare("two", "single"))
    with pytest.raises(SeveralWorkloadsError, match="Pod shop/one, Pod shop/two"):
        hook.find_workload("single")


def test_a_bare_pod_that_vanished_in_between_is_not_found(
    hook: ClusterHook, api: ApiServer
) -> None:
    api.add(PODS, bare("alone", "single"))

    def vanish(_method: str, path: str) -> None:
        if path == PODS:
            api.objects[PODS].pop("alone", None)

    api.on_call = vanish
    with pytest.raises(NoWorkloadError):
        hook.find_workload("single")


def test_no_door_is_closed_around_pods_without_labels(hook: ClusterHook, api: ApiServer) -> None:
    item = bare("alone", "single")
    item["metadata"]["labels"] = {}
    api.add(PODS, item)
    workload = hook.find_workload("single")
    api.calls.clear()
    with pytest.raises(DoorTooWideError, match="a label of their own"):
        hook.close_door(workload.pods, timeout=TEN_SECONDS)
    assert api.calls == []
