import json
from typing import Any

from lab import video
from lab.client import Client, Json, deployment, is_ready, wait_for

_MERGE = {"Content-Type": "application/merge-patch+json"}
_JSON_PATCH = {"Content-Type": "application/json-patch+json"}


def scale(client: Client, replicas: int) -> None:
    client.call(
        "PATCH",
        client.path_of("Deployment", name="player"),
        data=json.dumps({"spec": {"replicas": replicas}}),
        headers=_MERGE,
    ).raise_for_status()


def containers_of(client: Client) -> list[str]:
    """What really runs on the node for this namespace."""
    names = client.node.run("podman", "ps", "--format", "{{.Names}}").split()
    return [name for name in names if name.startswith(f"{client.namespace}_")]


def test_scaling_to_nothing_ends_the_processes(source: Client, image: str) -> None:
    source.apply(deployment(image))
    source.ready_pod()
    assert containers_of(source)
    scale(source, 0)
    wait_for(lambda: not source.pods(), what="the pod is gone")
    assert containers_of(source) == []


def test_replicas_have_names_and_addresses_of_their_own(source: Client, image: str) -> None:
    source.apply(deployment(image, replicas=2))
    wait_for(lambda: sum(map(is_ready, source.pods())) == 2, what="two ready pods")
    one, other = source.pods()
    assert one["metadata"]["name"] != other["metadata"]["name"]
    assert source.inside(one)["id"] != source.inside(other)["id"]
    page = source.get(f"/api/v1/namespaces/{source.namespace}/pods", limit="1")
    assert len(page["items"]) == 1
    rest = source.get(
        f"/api/v1/namespaces/{source.namespace}/pods",
        **{"limit": "1", "continue": page["metadata"]["continue"]},
    )
    names = [pod["metadata"]["name"] for pod in page["items"] + rest["items"]]
    assert names == [one["metadata"]["name"], other["metadata"]["name"]]
    assert "continue" not in rest["metadata"]


def test_a_new_template_replaces_the_pod_and_never_runs_two(source: Client, image: str) -> None:
    source.apply(deployment(image))
    first = source.ready_pod()
    source.apply(deployment(image, container={"env": [{"name": "HEAP_MIB", "value": "1"}]}))
    seen: list[int] = []

    def replaced() -> Json | None:
        pods = source.pods()
        seen.append(len(pods))
        done = [pod for pod in pods if pod["metadata"]["uid"] != first["metadata"]["uid"]]
        return done[0] if done and is_ready(done[0]) else None

    second = wait_for(replaced, what="the new pod is ready")
    assert max(seen) == 1, "Recreate never has two pods"
    assert source.inside(second)["heap_bytes"] == 1 << 20


def test_a_stateful_set_counts_its_pods(source: Client, image: str) -> None:
    stateful = deployment(image, name="db") | {"kind": "StatefulSet"}
    del stateful["spec"]["strategy"]
    stateful["spec"] |= {"serviceName": "db", "replicas": 2}
    source.apply(stateful)
    wait_for(lambda: sum(map(is_ready, source.pods())) == 2, what="two ready pods")
    assert [pod["metadata"]["name"] for pod in source.pods()] == ["db-0", "db-1"]


def test_a_container_gets_its_configuration(source: Client, image: str) -> None:
    source.apply(
        {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {"name": "settings"},
            "data": {"heap": "2"},
        }
    )
    reference = {"configMapKeyRef": {"name": "settings", "key": "heap"}}
    source.apply(
        deployment(
            image,
            container={
                "env": [{"name": "HEAP_MIB", "valueFrom": reference}],
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            },
            volumes=[{"name": "scratch", "emptyDir": {}}],
        )
    )
    assert source.inside(source.ready_pod())["heap_bytes"] == 2 << 20


def test_a_json_patch_changes_one_field(source: Client, image: str) -> None:
    source.apply(deployment(image))
    source.ready_pod()
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 0},
    ]
    answer = source.call(
        "PATCH",
        source.path_of("Deployment", name="player"),
        data=json.dumps(operations),
        headers=_JSON_PATCH,
    )
    assert answer.json()["spec"]["replicas"] == 0


def test_what_git_no_longer_names_is_given_back(source: Client, image: str) -> None:
    with_note = deployment(image)
    with_note["metadata"]["annotations"] = {"note": "ours"}
    source.apply(with_note)
    source.apply(deployment(image))
    found = source.get(source.path_of("Deployment", name="player"))
    assert "note" not in found["metadata"]["annotations"]


def test_deleting_a_namespace_takes_everything_in_it(source: Client, image: str) -> None:
    source.apply(deployment(image))
    source.ready_pod()
    source.call("DELETE", f"/api/v1/namespaces/{source.namespace}")
    wait_for(lambda: not source.pods(), what="the pod is gone")
    assert containers_of(source) == []
    source.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": source.namespace}})


def test_the_sample_application_came_by_git_and_answers_at_its_port(source: Client) -> None:
    found = source.get(f"/apis/apps/v1/namespaces/{video.NAMESPACE}/deployments/video")
    annotations = found["metadata"]["annotations"]
    assert annotations["transition.dcnlab.ssu.ac.kr/packageName"] == video.PACKAGE
    video.wait_for_answer(source.access.app_url)
