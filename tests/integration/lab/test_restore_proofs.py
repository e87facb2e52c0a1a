"""Canaries and test restores on the lab's clusters: real restores, real packets."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from airflow_transition import outside
from airflow_transition.core.cluster_package import source_package
from airflow_transition.core.isolation import (
    CANARY,
    CANARY_NAMESPACE,
    COPY,
    TEST_NAMESPACE,
    isolated_copy,
)
from airflow_transition.core.manifests import PACKAGE_ANNOTATION, POLICY_ANNOTATION
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.remains import WorkloadPlace
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.core.staging import STAGING_NAMESPACE
from airflow_transition.hooks.cluster import NoWorkloadError
from airflow_transition.hooks.kube_api import ObjectNotFoundError
from airflow_transition.hooks.quiesce import PodExec, QuiesceFailedError
from airflow_transition.hooks.workloads import read_pod
from airflow_transition.operators.canary_run import CanaryRun
from airflow_transition.operators.isolated_restore import CheckFailedError, IsolatedRestore
from airflow_transition.operators.kept_points import kept_points
from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator
from airflow_transition.operators.restore_point import RestorePointRecordOperator
from airflow_transition.operators.staging import StageImagesOperator
from airflow_transition.transfers.checkpoint_to_image import CheckpointToImageOperator
from lab.client import Client, Json, deployment
from lab.connections import connections_of
from lab.description import LabDescription

PACKAGE = "player"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def airflow(lab: LabDescription, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, connection in connections_of(lab).items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__TRANSITION__BUCKET", lab.s3.bucket)
    monkeypatch.setenv("AIRFLOW__TRANSITION__CANARY_IMAGE", image)


@pytest.fixture
def policy(lab: LabDescription, source: Client, target: Client) -> ClusterPolicy:
    """For `player`, whose test is asked whether it answers."""
    repos = lab.git.repositories
    return ClusterPolicy.of_document(
        {
            "apiVersion": "transition.dcnlab.ssu.ac.kr/v1",
            "kind": "ClusterPolicy",
            "metadata": {"name": source.namespace},
            "spec": {
                "clusterSelector": {
                    "name": source.cluster,
                    "repo": repos[source.cluster],
                    "repoType": "git",
                },
                "selectMode": "Specific",
                "packageSelectors": [
                    {
                        "name": PACKAGE,
                        "packagePath": source.namespace,
                        "packageType": "Stateful",
                        "liveStatePackage": True,
                        "namespace": source.namespace,
                        "restoreCheck": {"http": {"port": 8080, "path": "/state", "method": "GET"}},
                        "backupInformation": [{"name": "by-hand", "backupType": "Manual"}],
                    }
                ],
                "targetClusterPolicy": {
                    "preferClusters": [{"name": target.cluster, "repoType": "git"}]
                },
            },
        }
    )


@pytest.fixture
def point(policy: ClusterPolicy, source: Client, image: str) -> RestorePoint:
    """Of the process that runs, made as its checkpoint DAG makes it."""
    wanted = deployment(image, name=PACKAGE)
    wanted["metadata"]["annotations"] = {POLICY_ANNOTATION: "true", PACKAGE_ANNOTATION: PACKAGE}
    source.apply(wanted)
    source.ready_pod()
    package = source_package(policy, package=policy.package(PACKAGE)).as_json()
    nobody: Any = {}
    made = PodCheckpointOperator(task_id="checkpoint", package=package).execute(nobody)
    images = CheckpointToImageOperator(
        task_id="image", checkpoint=made, record_timeout=MINUTE
    ).execute(nobody)
    recorded = RestorePointRecordOperator(
        task_id="record", policy=policy.name, checkpoint=made, images=images
    ).execute(nobody)
    return outside.store().get_restore_point(recorded["id"])


@pytest.fixture
def staging_namespace(lab: LabDescription, target: Client) -> Iterator[str]:
    """As the component `staging` brings it."""
    with Client(lab, cluster=target.cluster, namespace=STAGING_NAMESPACE) as client:
        yield client.namespace


def is_there(cluster: str, namespace: str) -> bool:
    try:
        outside.cluster_named(cluster).api.read(f"/api/v1/namespaces/{namespace}")
    except ObjectNotFoundError:
        return False
    return True


def pods_in(client: Client, namespace: str) -> list[Json]:
    found: list[Json] = client.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    return found


def test_a_canary_finds_out_that_a_node_restores_and_leaves_nothing(source: Client) -> None:
    run = CanaryRun(source.cluster, by="a test")
    assert run.nodes() == (source.access.node,)
    result = run.try_node(source.access.node)
    assert result.restores, result.error
    assert not is_there(source.cluster, CANARY_NAMESPACE)
    assert pods_in(source, CANARY_NAMESPACE) == []
    place = WorkloadPlace(source.cluster, CANARY_NAMESPACE, CANARY)
    assert outside.store().inventory.remains(place) == []
    assert outside.registry().images_of(CANARY_NAMESPACE, pod=CANARY, container=CANARY) == []


def test_a_node_on_which_a_canary_does_not_come_up_is_told(
    source: Client, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"{image.partition('@')[0]}@sha256:{64 * '0'}"
    monkeypatch.setenv("AIRFLOW__TRANSITION__CANARY_IMAGE", nowhere)
    result = CanaryRun(source.cluster, by="a test").try_node(source.access.node)
    assert not result.restores
    assert "ErrImagePull" in str(result.error)
    assert not is_there(source.cluster, CANARY_NAMESPACE)


def test_a_test_restore_proves_the_newest_restore_point(
    policy: ClusterPolicy, point: RestorePoint, source: Client, target: Client
) -> None:
    package = policy.package(PACKAGE)
    before = source.inside(source.ready_pod())
    proof = IsolatedRestore(policy, package, target=AUTOMATIC, by="a test").run()
    assert (proof.restore_point, proof.cluster) == (point.id, target.cluster)
    assert (proof.way, proof.asked) == ("image restore on Podman", ("http",))
    assert outside.store().find_proof(point.id) == proof
    assert not is_there(target.cluster, TEST_NAMESPACE)
    assert pods_in(target, TEST_NAMESPACE) == []
    assert source.inside(source.ready_pod())["id"] == before["id"], "the package went on"

    unanswered = package.restore_check.model_copy(  # type: ignore[union-attr]
        update={"http": package.restore_check.http.model_copy(update={"path": "/nothing"})}  # type: ignore[union-attr]
    )
    other = package.model_copy(update={"restore_check": unanswered})
    with pytest.raises(CheckFailedError, match="404"):
        IsolatedRestore(policy, other, target=AUTOMATIC, by="a test").run()
    assert not is_there(target.cluster, TEST_NAMESPACE)
    assert outside.store().find_proof(point.id) == proof


def test_a_copy_in_isolation_is_the_process_and_is_not_the_package(
    policy: ClusterPolicy, point: RestorePoint, source: Client, target: Client
) -> None:
    running = source.ready_pod()
    workload = outside.cluster_named(source.cluster).find_workload(
        PACKAGE, namespace=source.namespace
    )
    template = outside.cluster_named(source.cluster).pod_template(workload)
    there = outside.cluster_named(target.cluster)
    body = isolated_copy(
        template, images=point.images, nodes=[target.access.node], limit=5 * MINUTE
    )
    # A pod of the target that the copy could reach, were it not for the closed door.
    target.apply(deployment(str(running["spec"]["containers"][0]["image"]), name="neighbour"))
    neighbour = target.ready_pod()["status"]["podIP"]
    with there.isolated(TEST_NAMESPACE, by="a test", limit=10 * MINUTE) as place:
        place.start(body)
        pod = place.wait_restored(COPY, images=point.images, timeout=MINUTE)
        (found,) = pods_in(target, TEST_NAMESPACE)
        assert target.inside(found)["id"] == source.inside(running)["id"]
        with pytest.raises(NoWorkloadError):
            there.find_workload(PACKAGE)
        assert PACKAGE not in {one.package for one in there.discover()}
        connect = f"import socket; socket.create_connection(('{neighbour}', 8080), timeout=3)"
        reach = PodExec("app", ("python3", "-c", connect), MINUTE)
        there.run_hook(read_pod(target.ready_pod(), current=True), reach)
        with pytest.raises(QuiesceFailedError, match="exit status 1"):
            there.run_hook(pod, reach)
    assert pods_in(target, TEST_NAMESPACE) == []


def test_the_list_of_restore_points_shows_the_proof(
    policy: ClusterPolicy, point: RestorePoint
) -> None:
    package = policy.package(PACKAGE)
    proof = IsolatedRestore(policy, package, target=AUTOMATIC, by="a test").run()
    store = outside.store()
    (place,) = [
        one for one in store.inventory.workloads(point.cluster) if one.namespace == point.namespace
    ]
    kept = store.inventory.kept(place)
    assert kept.proofs == {point.id: proof}
    assert kept_points(policy, packages=(package,)).points[0].proof == proof
    assert store.inventory.remove_point(point)
    assert store.find_proof(point.id) is None


def test_staged_images_are_on_the_node_and_nothing_of_them_runs(
    policy: ClusterPolicy,
    point: RestorePoint,
    target: Client,
    staging_namespace: str,
) -> None:
    nobody: Any = {}
    done = StageImagesOperator(
        task_id="stage", policy=policy, restore_point={"id": point.id}
    ).execute(nobody)
    assert (done["cluster"], done["nodes"]) == (target.cluster, [target.access.node])
    (pod,) = pods_in(target, staging_namespace)
    assert pod["metadata"]["name"] == done["pods"][0]
    listed = target.node.run("podman", "ps", "--format", "{{.Names}} {{.Image}}").splitlines()
    running = [line for line in listed if line.startswith(staging_namespace)]
    assert running
    assert not [line for line in running if "checkpoints" in line]
    again = StageImagesOperator(task_id="stage", policy=policy, restore_point={"id": point.id})
    assert again.execute(nobody) == done
