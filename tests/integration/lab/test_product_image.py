"""The image that the product builds from S3 is one that a node restores."""

import json

import pytest

from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
from airflow_transition.hooks.oci_registry import OciRegistryHook
from lab.client import Client, deployment, wait_for
from lab.connections import connections_of
from lab.description import LabDescription


@pytest.fixture
def connections(lab: LabDescription, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, connection in connections_of(lab).items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))


@pytest.mark.parametrize(("heap_mib", "compression"), [(1, "none"), (32, "zstd")])
@pytest.mark.usefixtures("connections")
def test_an_image_from_s3_restores_with_its_override_layer(
    source: Client, target: Client, image: str, heap_mib: int, compression: str
) -> None:
    heap = [{"name": "HEAP_MIB", "value": str(heap_mib)}, {"name": "HEAP_KIND", "value": "text"}]
    source.apply(deployment(image, container={"env": heap}))
    pod = source.ready_pod()
    before = source.inside(pod, "/")
    archive = source.checkpoint(pod)
    store, registry = CheckpointStoreHook(), OciRegistryHook()
    key = store.record_key(
        cluster=source.cluster,
        namespace=source.namespace,
        pod=pod["metadata"]["name"],
        filename=archive.name,
    )
    record = wait_for(lambda: store.find_record(key), what=f"the record {key}")
    assert record.stored.compression == compression
    pushed = registry.push_checkpoint_image(record=record, archive=store.open_archive(record))
    target.apply(deployment(pushed.reference))
    after = target.inside(target.ready_pod(), "/")
    assert (after["id"], after["counter"]) == (before["id"], before["counter"] + 1)
    assert after["heap_bytes"] == before["heap_bytes"]
