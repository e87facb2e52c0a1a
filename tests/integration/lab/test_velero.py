"""Volumes move between the lab's clusters: real files, by the lab's fake of Velero."""

import json
from pathlib import Path

import pytest

from airflow_transition.core.policy_velero import Velero
from airflow_transition.core.velero import FoundBackup, backup_labels, backup_spec, choose_backup
from airflow_transition.core.volumes import VolumesPlan, volumes_plan
from airflow_transition.hooks.velero import StorageLocationError, VeleroFailedError, VeleroHook
from airflow_transition.operators.volumes import ClaimsRemainError, restore_volumes
from lab.api.volumes import claim_folder
from lab.client import Client, deployment
from lab.connections import connections_of
from lab.description import LabDescription
from tests.unit.core.test_velero import NOW

PACKAGE, CLAIM = "player", "player-data"
LABELS = {"app": PACKAGE}


@pytest.fixture
def velero(
    lab: LabDescription, source: Client, target: Client, monkeypatch: pytest.MonkeyPatch
) -> VeleroHook:
    """Velero of the source; its namespace is the test's own, on both clusters."""
    for name, connection in connections_of(lab).items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))
    for client in (source, target):
        client.apply(
            {
                "kind": "BackupStorageLocation",
                "apiVersion": "velero.io/v1",
                "metadata": {"name": "default"},
                "spec": {"default": True},
            }
        )
    return VeleroHook(source.cluster, namespace=source.namespace)


def run(client: Client, image: str) -> None:
    """The sample application with a claim of its own."""
    client.apply({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"name": CLAIM}})
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}
    client.apply(deployment(image, name=PACKAGE, container=mount, volumes=[volume]))
    client.ready_pod()


def count_of(client: Client) -> Path:
    return claim_folder(client.namespace, name=CLAIM) / "count"


def write(client: Client, text: str) -> None:
    client.node.run("sh", "-c", f"printf %s {text} > {count_of(client)}")


def read(client: Client) -> str:
    return client.node.run("cat", str(count_of(client))).strip()


def backed_up(velero: VeleroHook, source: Client) -> VolumesPlan:
    """What the claim holds now, in the store that both clusters share."""
    settings = Velero.model_validate({"namespace": source.namespace})
    plan = volumes_plan(settings, package=PACKAGE, move=source.namespace, claims=(CLAIM,))
    spec = backup_spec(settings, namespace=source.namespace, pod_labels=LABELS)
    labels = backup_labels(policy="any", package=PACKAGE, cluster=source.cluster)
    velero.check(location=None)
    velero.ensure("backups", plan.backup, spec=spec, labels=labels)
    velero.wait_done("backups", plan.backup, timeout=settings.timeout)
    return plan


def test_what_a_volume_holds_is_on_the_target_once(
    velero: VeleroHook, source: Client, target: Client, image: str
) -> None:
    run(source, image)
    write(source, "41")
    plan = backed_up(velero, source)
    write(source, "42")
    restore_volumes(target.cluster, volumes=plan, namespace=target.namespace)
    assert read(target) == "41"
    run(target, image)
    write(target, "43")
    restore_volumes(target.cluster, volumes=plan, namespace=target.namespace)
    assert read(target) == "43", "it was restored twice"
    another = volumes_plan(
        plan.velero,
        package=PACKAGE,
        move="another",
        claims=plan.claims,
        backup=FoundBackup(plan.backup, NOW),
    )
    with pytest.raises(ClaimsRemainError, match=CLAIM):
        restore_volumes(target.cluster, volumes=another, namespace=target.namespace)
    assert read(target) == "43"


def test_the_target_knows_the_backup_without_the_source(
    velero: VeleroHook, source: Client, target: Client, image: str
) -> None:
    run(source, image)
    plan = backed_up(velero, source)
    there = VeleroHook(target.cluster, namespace=target.namespace)
    labels = backup_labels(policy="any", package=PACKAGE, cluster=source.cluster)
    choice = choose_backup(there.backups(labels), now=NOW, max_age=None)
    assert choice.backup is not None
    assert choice.backup.name == plan.backup
    assert there.backups({**labels, "velero.io/schedule-name": "other"}) == []


def test_a_restore_of_no_backup_fails_by_its_validation(velero: VeleroHook, source: Client) -> None:
    velero.ensure("restores", "r", spec={"backupName": "no-such-backup"}, labels={})
    with pytest.raises(VeleroFailedError, match="FailedValidation; backup no-such-backup"):
        velero.wait_done("restores", "r", timeout=Velero().timeout)
    with pytest.raises(StorageLocationError):
        velero.check(location="another")
