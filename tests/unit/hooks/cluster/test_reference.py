"""The reference promises rights and errors: both are held to the code."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks import cluster, desired, door, git_errors, kubelet, quiesce, restored
from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.hooks.kubelet import KubeletHook
from airflow_transition.hooks.quiesce import PodRequest
from airflow_transition.hooks.second_signal import SecondSignalHook

from .api_server import PODS, ApiServer, answer, pod, status
from .conftest import Clock
from .test_kubelet import TEN_SECONDS

REFERENCE = Path(__file__).parents[4] / "docs" / "reference"
EVERYBODYS = "/version"
VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}
NAMED = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/v1/(?:namespaces/[^/]+/)?(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/]+)(?:/(?P<sub>proxy|exec))?.*)?$"
)


def right(method: str, path: str) -> tuple[str, str, str]:
    """API group, resource and verb, as RBAC names a request."""
    found = NAMED.match(path)
    assert found is not None, path
    resource = found["plural"] + (f"/{found['sub']}" if found["sub"] else "")
    verb = VERBS.get(method) or ("get" if found["name"] else "list")
    return found["group"] or "", resource, verb


def granted() -> set[tuple[str, str, str]]:
    role = yaml.safe_load((REFERENCE / "cluster-role.yaml").read_text())
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_cluster_role_grants_what_a_move_asks_for_and_no_more(
    hook: ClusterHook, cluster: str, api: ApiServer, clock: Clock
) -> None:
    def node_and_pod(_method: str, path: str):  # noqa: ANN202
        return answer({"items": ["/x"]}) if "/proxy/" in path or path == EVERYBODYS else None

    api.on_call = node_and_pod
    workload = hook.find_workload("video")
    chosen, _ = hook.find_pod(workload)
    hook.describe_door(workload)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        hook.run_hook(chosen, PodRequest(80, "/close", method, TEN_SECONDS))
    hook.close_door(workload.pods)
    hook.confirm_door(workload.pods)
    with pytest.raises(PermanentError):
        KubeletHook(cluster).checkpoint(
            node="node-a", namespace="shop", pod="p", container="app", timeout=TEN_SECONDS
        )
    hook.close_ingress_for({"app": "video"}, namespace="shop", workload="video")
    hook.open_door(workload.pods)
    api.add(PODS, pod("video-1-a", phase="Succeeded"))
    hook.wait_gone(workload.pods, timeout=TEN_SECONDS)
    for kind in ("Deployment", "StatefulSet"):
        hook.scale_down(kind, namespace="shop", name="video")

    SecondSignalHook(cluster).ask(silent_nodes=["node-a"], timeout=TEN_SECONDS)

    apply_creates = ("networking.k8s.io", "networkpolicies", "create")
    exec_stream = {("", "pods/exec", "get"), ("", "pods/exec", "create")}
    asked = {right(method, path) for method, path in api.calls if path != EVERYBODYS}
    assert asked | {apply_creates} | exec_stream == granted()


def test_every_error_is_in_the_reference_with_its_kind() -> None:
    kinds = {}
    for line in (REFERENCE / "errors.md").read_text().splitlines():
        if line.startswith("| `"):
            names, kind, _ = line.strip("| ").split(" | ")
            kinds |= dict.fromkeys(re.findall(r"`(\w+)`", names), kind)
    found = {
        name: "permanent" if issubclass(each, PermanentError) else "temporary"
        for module in (kubelet, restored, door, quiesce, cluster, desired, git_errors)
        for name, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, PermanentError | TemporaryError) and each.__module__ == module.__name__
    }
    assert {name: kinds.get(name) for name in found} == found


def test_a_refusal_names_the_call_that_the_role_must_allow(
    hook: ClusterHook, api: ApiServer
) -> None:
    api.on_call = lambda _method, _path: status(403, "deployments.apps is forbidden")
    with pytest.raises(PermanentError, match=r"GET /apis/apps/v1/deployments.*by RBAC"):
        hook.find_workload("video")
