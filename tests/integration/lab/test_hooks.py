"""The product's hooks against the lab's clusters: real pods, real packets, real checkpoints."""

import http.client
import json
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_transition.core.manifests import PACKAGE_ANNOTATION, POLICY_ANNOTATION
from airflow_transition.hooks.cluster import (
    ClusterHook,
    NoPodError,
    NoWorkloadError,
    PodsRemainError,
)
from airflow_transition.hooks.door import DoorReopenedError
from airflow_transition.hooks.kube_api import NotAllowedError, TokenRefusedError
from airflow_transition.hooks.kubelet import ContainerUnknownError, KubeletHook, PodGoneError
from airflow_transition.hooks.restored import RestoreFailedError
from airflow_transition.hooks.workloads import PodSet, Workload
from lab.api.identities import DIRECT_USER
from lab.client import Client, Json, deployment, wait_for
from lab.connections import connections_of
from lab.description import LabDescription
from lab.push import push_checkpoint

PACKAGE = "player"
MINUTE = timedelta(minutes=1)
HALF_A_SECOND = timedelta(seconds=0.5)


@pytest.fixture
def connections(lab: LabDescription, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, connection in connections_of(lab).items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))


@pytest.fixture
def hook(connections: None, source: Client) -> ClusterHook:
    return ClusterHook(source.cluster)


@pytest.fixture
def workload(hook: ClusterHook, source: Client, image: str) -> Workload:
    """`player`, Ready behind a Service."""
    source.apply(annotated(image))
    source.apply(service())
    source.ready_pod()
    return hook.find_workload(PACKAGE, namespace=source.namespace)


def annotated(image: str, *, replicas: int = 1) -> Json:
    made = deployment(image, name=PACKAGE, replicas=replicas)
    made["metadata"]["annotations"] = {POLICY_ANNOTATION: "true", PACKAGE_ANNOTATION: PACKAGE}
    return made


def service() -> Json:
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": PACKAGE},
        "spec": {
            "type": "NodePort",
            "selector": {"app": PACKAGE},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def answers(client: Client) -> bool:
    """Whether the application answers through its Service."""
    path = client.path_of("Service", name=PACKAGE)
    port = client.get(path)["spec"]["ports"][0]["nodePort"]
    connection = http.client.HTTPConnection(client.node.address, port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        with connection.getresponse() as answer:
            return answer.status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def test_a_package_is_found_with_its_one_pod(
    hook: ClusterHook, workload: Workload, source: Client
) -> None:
    pod, beside = hook.find_pod(workload)
    assert pod.name == source.ready_pod()["metadata"]["name"]
    assert (pod.node, pod.ready, pod.current) == (source.access.node, True, True)
    assert beside == ()


def test_a_replaced_pod_is_found_again_and_replicas_are_told(
    hook: ClusterHook, workload: Workload, source: Client, image: str
) -> None:
    before, _ = hook.find_pod(workload)
    source.call("DELETE", f"/api/v1/namespaces/{source.namespace}/pods/{before.name}")

    def others() -> list[str]:
        try:
            found, beside = hook.find_pod(workload)
        except NoPodError:
            return []
        return [each.uid for each in (found, *beside) if each.uid != before.uid]

    assert len(wait_for(others, what="the pod that came instead")) == 1
    source.apply(annotated(image, replicas=2))
    wait_for(lambda: len(others()) == 2, what="the replica beside it")


def test_a_closed_door_lets_nobody_in_until_it_is_opened(
    hook: ClusterHook, workload: Workload, source: Client
) -> None:
    assert answers(source)
    assert hook.describe_door(workload).services == (PACKAGE,)
    hook.close_door(workload.pods)
    assert not answers(source)
    hook.confirm_door(workload.pods)
    hook.open_door(workload.pods)
    assert answers(source)


def test_a_gitops_engine_that_applies_the_service_again_leaves_the_door_closed(
    hook: ClusterHook, workload: Workload, source: Client
) -> None:
    hook.close_door(workload.pods)
    source.apply(service())
    hook.confirm_door(workload.pods)
    source.delete("Service", name=PACKAGE)
    source.apply(service())
    with pytest.raises(DoorReopenedError):
        hook.confirm_door(workload.pods)
    assert not answers(source), "the network policy still holds"


def test_a_checkpoint_gives_the_archive_on_the_node(
    connections: None, hook: ClusterHook, workload: Workload, source: Client
) -> None:
    pod, _ = hook.find_pod(workload)
    assert pod.node is not None
    kubelet = KubeletHook(source.cluster)

    def checkpoint(*, pod_name: str = pod.name, container: str = "app") -> list[str]:
        return kubelet.checkpoint(
            node=str(pod.node),
            namespace=source.namespace,
            pod=pod_name,
            container=container,
            timeout=MINUTE,
        )

    (path,) = checkpoint()
    archive = source.node.folder / "checkpoints" / Path(path).name
    with tarfile.open(archive) as tar:
        assert "config.dump" in tar.getnames()
    with pytest.raises(ContainerUnknownError):
        checkpoint(container="nocontainer")
    with pytest.raises(PodGoneError):
        checkpoint(pod_name="nopod")


def test_a_restore_behind_a_closed_door_is_verified_and_then_opened(
    connections: None,
    lab: LabDescription,
    workload: Workload,
    source: Client,
    target: Client,
) -> None:
    there = ClusterHook(target.cluster)
    labels = workload.pods.labels
    pods = PodSet(namespace=target.namespace, workload=PACKAGE, labels=labels)
    pod = source.ready_pod()
    before = source.inside(pod)["id"]
    reference = push_checkpoint(source.checkpoint(pod), lab=lab)

    there.close_ingress_for(labels, namespace=target.namespace, workload=PACKAGE)
    target.apply(service())
    target.apply(annotated(reference))
    restored = there.wait_restored(
        PACKAGE, images={"app": reference}, namespace=target.namespace, timeout=MINUTE
    )

    assert restored.images == {"app": reference}
    assert not answers(target), "Ready behind the door"
    there.open_door(pods)
    assert answers(target)
    assert target.inside(target.ready_pod())["id"] == before


def test_a_restore_that_fails_is_named_before_its_deadline(
    connections: None, lab: LabDescription, workload: Workload, source: Client, target: Client
) -> None:
    archive = source.checkpoint(source.ready_pod())
    broken = archive.with_suffix(".broken")
    with tarfile.open(archive) as good, tarfile.open(broken, "w") as bad:
        for member in good:
            if "pages-" not in member.name:
                bad.addfile(member, good.extractfile(member) if member.isreg() else None)
    reference = push_checkpoint(broken, lab=lab)
    target.apply(annotated(reference))
    with pytest.raises(RestoreFailedError, match="CRIU"):
        ClusterHook(target.cluster).wait_restored(
            PACKAGE, images={"app": reference}, namespace=target.namespace, timeout=MINUTE
        )


def test_a_retired_workload_is_gone_only_when_its_process_has_ended(
    hook: ClusterHook, workload: Workload, source: Client, image: str
) -> None:
    with pytest.raises(PodsRemainError, match="Running"):
        hook.wait_gone(workload.pods, timeout=HALF_A_SECOND)
    source.apply(annotated(image, replicas=0))
    hook.wait_gone(workload.pods, timeout=MINUTE)
    listed = source.node.run("podman", "ps", "--format", "{{.Names}}").split()
    assert not [name for name in listed if name.startswith(source.namespace)]


def test_another_cluster_does_not_know_the_package(
    connections: None, workload: Workload, target: Client
) -> None:
    with pytest.raises(NoWorkloadError):
        ClusterHook(target.cluster).find_workload(PACKAGE, namespace=target.namespace)


@pytest.mark.parametrize("token", ["restricted", "unknown"])
def test_a_token_that_may_not_is_refused_by_name(
    token: str, source: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    restricted = json.loads((source.node.folder / "tokens.json").read_text())[DIRECT_USER]
    secret = restricted if token == "restricted" else "no-such-token"
    kubeconfig = json.dumps(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": secret}}],
            "clusters": [
                {
                    "name": "c",
                    "cluster": {
                        "server": source.access.api_url,
                        "certificate-authority": str(source.lab.ca_file),
                    },
                }
            ],
        }
    )
    connection = {"conn_type": "kubernetes", "extra": {"kube_config": kubeconfig}}
    monkeypatch.setenv("AIRFLOW_CONN_REFUSED", json.dumps(connection))
    refused = {"restricted": NotAllowedError, "unknown": TokenRefusedError}[token]
    with pytest.raises(refused) as raised:
        KubeletHook("refused").checkpoint(
            node=source.access.node,
            namespace=source.namespace,
            pod="player",
            container="app",
            timeout=MINUTE,
        )
    assert secret not in str(raised.value)
