"""The roles in agent/deploy grant exactly the calls that the hooks make.

No less: the API server of these tests refuses every call that no role allows. No more: each role
has its walk here, a function that makes every kind of call that the role is for. To add a call, add
it to the walk of its role, and its rule to that role.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from pytest_httpserver import HTTPServer

from airflow_transition.core.cluster_health import ApiSign
from airflow_transition.core.engine import EngineRef
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.isolation import TEST_NAMESPACE, canary_pod, namespace_of
from airflow_transition.core.policy_promotion import NAMESPACES
from airflow_transition.core.staging import staging_pod
from airflow_transition.hooks.argocd import ArgoCdHook
from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.hooks.flux import FluxHook
from airflow_transition.hooks.gitops_engine import GitOpsEngine
from airflow_transition.hooks.isolation import Isolation
from airflow_transition.hooks.kubelet import KubeletHook
from airflow_transition.hooks.polling import Poll
from airflow_transition.hooks.quiesce import PodRequest
from airflow_transition.hooks.second_signal import SecondSignalHook
from airflow_transition.hooks.velero import VeleroHook
from tests.fake_engines import FakeArgoCd, FakeFlux

from .api_server import PODS, ApiServer, answer, pod
from .conftest import RECORDED
from .rights import ENGINES, EVERYBODYS, KUBERNETES, ROLES, granted, right
from .test_argocd import folder
from .test_kubelet import TEN_SECONDS
from .test_pod_turn import abandoned
from .test_velero import LOCATIONS, location

Walk = Callable[[ClusterHook, ApiServer], None]


def find_close_and_open(hook: ClusterHook, api: ApiServer) -> None:
    workload = hook.find_workload("video")
    hook.find_pod(workload)
    hook.describe_door(workload)
    hook.close_door(workload.pods)
    hook.confirm_door(workload.pods)
    hook.close_ingress_for({"app": "video"}, namespace="shop", workload="video")
    hook.open_door(workload.pods)
    chosen, _ = hook.find_pod(workload)
    abandoned(hook, chosen, holder="me")
    with hook.turn(chosen, holder="me", duration=TEN_SECONDS):
        pass
    api.add(PODS, pod("video-1-a", phase="Succeeded"))
    hook.wait_gone(workload.pods, timeout=TEN_SECONDS)


def checkpoint(hook: ClusterHook, api: ApiServer) -> None:
    api.on_call = lambda _method, _path: answer({"items": ["/x"]})
    with pytest.raises(PermanentError, match="names no archive"):
        KubeletHook(hook.cluster).checkpoint(
            node="node-a", namespace="shop", pod="p", container="app", timeout=TEN_SECONDS
        )


def ask_the_pod(hook: ClusterHook, api: ApiServer) -> None:
    chosen, _ = hook.find_pod(hook.find_workload("video"))
    api.calls.clear()
    api.on_call = lambda _method, _path: answer({})
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        hook.run_hook(chosen, PodRequest(80, "/close", method, TEN_SECONDS))


def take_from_a_lost_cluster(hook: ClusterHook, api: ApiServer) -> None:
    assert hook.scale_down("Deployment", namespace="shop", name="video")
    assert not hook.scale_down("StatefulSet", namespace="shop", name="gone")
    api.on_call = lambda _method, path: answer({}) if path == "/version" else None
    signal = SecondSignalHook(hook.cluster).ask(silent_nodes=["node-a"], timeout=TEN_SECONDS)
    assert signal.sign is ApiSign.NODES_NOT_READY


def keep_and_restore_volumes(hook: ClusterHook, api: ApiServer) -> None:
    velero = VeleroHook(hook.cluster, namespace="velero", poll=hook.poll)
    api.add(LOCATIONS, location())
    velero.check(location=None)
    velero.ensure("backups", "b", spec={}, labels={})
    velero.ensure("backups", "b", spec={}, labels={})
    velero.backups({})
    velero.ensure_schedule("s", spec={"schedule": "@hourly"}, labels={})
    velero.pause_schedule("s")
    velero.find("restores", "r")
    velero.ensure("restores", "r", spec={}, labels={})
    velero.claims("shop")


def run_apart(hook: ClusterHook, api: ApiServer) -> None:
    for _ in range(2):
        with hook.isolated(TEST_NAMESPACE, by="a test", limit=TEN_SECONDS) as place:
            place.start(canary_pod(image="i", node="n", memory="m", limit=TEN_SECONDS))
            api.add("/api/v1/namespaces", namespace_of("left", by="x", until=datetime.now(UTC)))
    Isolation(hook.api, name="left", poll=hook.poll).take(by="y", limit=TEN_SECONDS)


def stage(hook: ClusterHook, api: ApiServer) -> None:
    images = {"app": "registry.example/checkpoints@sha256:" + 64 * "1"}
    pod = staging_pod(policy="p", package="video", node="n", images=images, sleeper="busybox")
    hook.staging().put([pod])
    (made,) = api.objects["/api/v1/namespaces/transition-staging/pods"].values()
    made["metadata"] |= {
        "namespace": "transition-staging",
        "uid": "u",
        "creationTimestamp": "2026-11-23T03:04:42Z",
    }
    hook.staging().keep_only([], policy="p", package="video")


def tell_argo_cd(hook: ClusterHook, api: ApiServer) -> None:
    engine = EngineRef(kind="argocd", cluster=hook.cluster, namespace="argocd")
    argo = FakeArgoCd(api, checkout=lambda _repo, _revision, _path: {})
    tell(ArgoCdHook(engine, poll=Poll(sleep=lambda _: argo.step())), engine)


def tell_flux(hook: ClusterHook, api: ApiServer) -> None:
    engine = EngineRef(kind="flux", cluster=hook.cluster, namespace="flux-system")
    flux = FakeFlux(
        api, head=lambda _repo, _branch: "a" * 40, checkout=lambda _repo, _revision, _path: {}
    )
    tell(FluxHook(engine, poll=Poll(sleep=lambda _: flux.step())), engine)


def tell(hook: GitOpsEngine, engine: EngineRef) -> None:
    made = folder(engine=engine)
    hook.check()
    hook.bring([made], commit="a" * 40, timeout=TEN_SECONDS)
    hook.confirm([made.place], timeout=TEN_SECONDS)
    hook.apply_known(made, commit="a" * 40, timeout=TEN_SECONDS)
    hook.remove(made.place)


WALKS: dict[str, Walk] = {
    "airflow": find_close_and_open,
    "checkpoint-proxy": checkpoint,
    "failover": take_from_a_lost_cluster,
    "isolation": run_apart,
    "quiesce-hooks": ask_the_pod,
    "velero": keep_and_restore_volumes,
    "staging": stage,
    "argocd": tell_argo_cd,
    "flux": tell_flux,
}
NOT_IN_A_PATH = {
    # A server-side apply asks for `create` too, as the object may not be there yet.
    "airflow": {("networking.k8s.io", "networkpolicies", "create")},
    # So do these.
    "argocd": {("argoproj.io", "applications", "create")},
    "flux": {
        ("source.toolkit.fluxcd.io", "gitrepositories", "create"),
        ("kustomize.toolkit.fluxcd.io", "kustomizations", "create"),
    },
    # A WebSocket is a GET, and `create` from Kubernetes 1.35 on.
    "quiesce-hooks": {("", "pods/exec", "get"), ("", "pods/exec", "create")},
}


@pytest.mark.parametrize("role", list(WALKS))
def test_a_role_grants_what_its_calls_ask_for_and_no_more(
    role: str, hook: ClusterHook, api: ApiServer
) -> None:
    WALKS[role](hook, api)
    asked = {right(method, path) for method, path in api.calls} - EVERYBODYS
    if role != "airflow":  # which every user has who has another one
        asked -= granted("airflow")
    assert asked | NOT_IN_A_PATH.get(role, set()) == granted(role)


def test_the_direct_road_needs_what_the_kubelet_names_in_its_refusal() -> None:
    recorded = json.loads((RECORDED / "kubelet-403.json").read_text())
    named = re.search(
        r"verb=(\w+), resource=(\w+), subresource\(s\)=\[(\w+)\]", recorded["response"]["body"]
    )
    assert named is not None
    verb, resource, sub = named.groups()
    assert granted("checkpoint-direct") == {("", f"{resource}/{sub}", verb)}


def test_the_direct_road_is_asked_for_what_the_role_grants() -> None:
    request = json.loads((RECORDED / "kubelet-200.json").read_text())["request"]
    asked = right(request["method"], request["path"].partition("?")[0])
    assert {asked} == granted("checkpoint-direct")


def test_a_call_that_no_role_allows_is_refused_in_these_tests(
    hook: ClusterHook, api: ApiServer, httpserver: HTTPServer
) -> None:
    with pytest.raises(PermanentError, match="secrets"):
        list(hook.api.items("/api/v1/secrets"))


@pytest.mark.parametrize("role", list(ROLES))
def test_a_role_is_bound_to_the_user_of_the_connection(role: str) -> None:
    shipped = yaml.safe_load(ROLES[role].read_text())
    (bound,) = ROLES[role].parent.glob("*role-binding.yaml")
    binding = yaml.safe_load(bound.read_text())
    user = yaml.safe_load((KUBERNETES / "airflow" / "service-account.yaml").read_text())
    assert binding["roleRef"]["name"] == shipped["metadata"]["name"]
    assert _named(binding["subjects"]) == [("ServiceAccount", user["metadata"]["name"])]


@pytest.mark.parametrize("engine", list(ENGINES))
def test_an_engines_role_is_bound_in_its_own_namespace_alone(engine: str) -> None:
    shipped = yaml.safe_load(ENGINES[engine].read_text())
    binding = yaml.safe_load((ENGINES[engine].parent / "role-binding.yaml").read_text())
    user = yaml.safe_load((KUBERNETES / "airflow" / "service-account.yaml").read_text())
    assert (shipped["kind"], binding["kind"]) == ("Role", "RoleBinding")
    assert shipped["metadata"]["namespace"] == binding["metadata"]["namespace"]
    assert shipped["metadata"]["namespace"] == NAMESPACES[engine]
    assert binding["roleRef"]["name"] == shipped["metadata"]["name"]
    assert _named(binding["subjects"]) == [("ServiceAccount", user["metadata"]["name"])]


def test_every_shipped_role_is_held_to_its_calls() -> None:
    assert set(KUBERNETES.rglob("cluster-role.yaml")) == set(ROLES.values())
    assert set(KUBERNETES.glob("components/*/role.yaml")) == set(ENGINES.values())
    assert set(WALKS) == {*ROLES, *ENGINES} - {"checkpoint-direct"}


def _named(subjects: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(subject["kind"], subject["name"]) for subject in subjects]
