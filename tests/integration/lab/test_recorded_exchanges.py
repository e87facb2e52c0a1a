"""The recorded answers of a real Kubernetes 1.36 against those of the lab."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from lab.api.identities import DIRECT_USER
from lab.client import Client, Json, deployment, unique, wait_for
from lab.description import CLUSTERS, LabDescription
from lab.packages import architecture

_RECORDED = Path(__file__).parents[2] / "fixtures" / "kubernetes-1.36"
_POD, _NODE, _NAMESPACE = "video-85f5b48bb5-b5dgv", "node-a", "shop"

# What a container of this node has no part in, and no caller reads.
_LEFT_OUT = (
    "metadata.managedFields",
    "spec.volumes",
    "spec.containers[].volumeMounts",
    "spec.serviceAccount",
    "spec.tolerations",
    "status.containerStatuses[].volumeMounts",
    "status.resources",
    "status.images",
    "status.runtimeHandlers",
    "status.features",
    "status.declaredFeatures",
    "metadata.annotations.node.alpha.kubernetes.io",
    "metadata.annotations.volumes.kubernetes.io",
    "metadata.annotations.kubectl.kubernetes.io",
    "spec.template.spec.nodeName",  # the recorded pods were pinned to their nodes
)


def recorded(name: str) -> Json:
    exchange: Json = json.loads((_RECORDED / f"{name}.json").read_text())
    return exchange


@pytest.fixture(scope="module")
def source(lab: LabDescription) -> Iterator[Client]:
    """One pod for all these tests: they only look at it."""
    with Client(lab, cluster=CLUSTERS[0], namespace=unique()) as client:
        yield client


@pytest.fixture(scope="module")
def pod(source: Client, image: str) -> Json:
    annotated = deployment(image, name="video")
    annotated["spec"]["strategy"] = {"type": "RollingUpdate"}
    annotated["metadata"]["annotations"] = {
        "transition.dcnlab.ssu.ac.kr/cluster-policy": "true",
        "transition.dcnlab.ssu.ac.kr/packageName": "video",
    }
    source.apply(annotated)
    return source.ready_pod()


def token_of(lab: LabDescription, client: Client, *, identity: str) -> str:
    if identity == "none":
        return "no-such-token"
    if identity == "direct":
        tokens = json.loads((client.node.folder / "tokens.json").read_text())
        return str(tokens[DIRECT_USER])
    return client.access.token


@pytest.mark.parametrize(
    "name",
    [
        "proxy-401-bad-token",
        "proxy-403-no-nodes-proxy",
        "proxy-404-unknown-node",
        "proxy-404-unknown-pod",
        "proxy-404-unknown-container",
        "proxy-404-bad-timeout",
    ],
)
def test_a_refused_checkpoint_is_answered_byte_for_byte(
    name: str, lab: LabDescription, source: Client, pod: Json
) -> None:
    exchange = recorded(name)

    def here(text: str) -> str:
        return (
            text.replace(_POD, pod["metadata"]["name"])
            .replace(f'"{_NODE}', f'"{source.access.node}')
            .replace(f"/{_NODE}/", f"/{source.access.node}/")
            .replace(f'\\"{_NODE}\\"', f'\\"{source.access.node}\\"')
            .replace(f"/{_NAMESPACE}/", f"/{source.namespace}/")
        )

    answer = requests.post(
        source.access.api_url + here(exchange["request"]["path"]),
        headers={
            "Authorization": "Bearer "
            + token_of(lab, source, identity=exchange["request"]["identity"])
        },
        verify=str(lab.ca_file),
        timeout=30,
    )
    expected = exchange["response"]
    assert answer.status_code == expected["status"]
    assert answer.headers["content-type"] == expected["headers"]["content-type"]
    assert answer.text == here(expected["body"])


def test_a_checkpoint_is_answered_with_the_kubelets_path(source: Client, pod: Json) -> None:
    expected = recorded("checkpoint-ok")["response"]
    answer = source.call("POST", source.checkpoint_path(pod), params={"timeout": "60"})
    assert answer.status_code == expected["status"]
    assert answer.headers["content-type"] == expected["headers"]["content-type"]
    (path,) = answer.json()["items"]
    assert answer.text == f'{{"items":["{path}"]}}'
    stem = f"checkpoint-{pod['metadata']['name']}_{source.namespace}-app-"
    assert path.startswith(f"/var/lib/kubelet/checkpoints/{stem}")
    assert path.endswith("Z.tar")
    archive = source.node.folder / "checkpoints" / Path(path).name
    assert archive.stat().st_mode & 0o777 == 0o600
    assert archive.parent.stat().st_mode & 0o777 == 0o700


def test_a_container_that_does_not_run_is_a_500_of_the_kubelet(source: Client, image: str) -> None:
    source.apply(deployment(f"{image[:-4]}0000", name="nothing"))

    def pending() -> Json | None:
        pods = source.pods(labelSelector="app=nothing")
        return pods[0] if pods and pods[0]["status"].get("containerStatuses") else None

    pod = wait_for(pending, what="a pod that has reported its container")
    answer = source.call("POST", source.checkpoint_path(pod))
    place = f"{source.namespace}/{pod['metadata']['name']}/app"
    assert answer.status_code == 500
    assert answer.text == f"checkpointing of {place} failed (container app not found)"


def test_version_is_the_recorded_one(source: Client) -> None:
    expected = recorded("version")["response"]
    answer = source.call("GET", "/version")
    assert answer.headers["content-type"] == expected["headers"]["content-type"]
    assert answer.text == expected["body"].replace("linux/amd64", f"linux/{architecture()}")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("list-pods", "/api/v1/namespaces/{}/pods"),
        ("list-deployments", "/apis/apps/v1/namespaces/{}/deployments"),
        ("list-replicasets", "/apis/apps/v1/namespaces/{}/replicasets"),
        ("list-nodes", "/api/v1/nodes"),
    ],
)
def test_a_list_has_every_field_of_the_recorded_one(
    name: str, path: str, source: Client, pod: Json
) -> None:
    expected = json.loads(recorded(name)["response"]["body"])
    found = source.get(path.format(source.namespace))
    assert list(found) == list(expected)
    assert (found["kind"], found["apiVersion"]) == (expected["kind"], expected["apiVersion"])
    known = set(fields(next(each for each in expected["items"] if _is_video(each))))
    ours = set(fields(next(each for each in found["items"] if _is_video(each))))
    lacking = {each for each in known - ours if not each.startswith(_LEFT_OUT)}
    assert not lacking


def _is_video(thing: Json) -> bool:
    return thing["metadata"]["name"].startswith(("video", "node-a", CLUSTERS[0]))


def fields(thing: Any, *, path: str = "") -> Iterator[str]:
    """Every field of a document as a path; lists count as one place."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            if key not in ("matchLabels", "labels", "app", "pod-template-hash"):
                here = f"{path}.{key}".lstrip(".")
                yield here
                yield from fields(value, path=here)
    elif isinstance(thing, list):
        for value in thing:
            yield from fields(value, path=f"{path}[]")


def test_of_two_checkpoints_at_once_one_is_refused(source: Client, pod: Json) -> None:
    def checkpoint(_: int) -> requests.Response:
        with Client(source.lab, cluster=source.cluster).session as session:
            return session.post(source.access.api_url + source.checkpoint_path(pod), timeout=60)

    with ThreadPoolExecutor() as pool:
        answers = sorted(pool.map(checkpoint, range(2)), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 500]
    assert "checkpointing of" in answers[1].text
