"""Archive in S3 to image in a registry, with both servers real."""

import uuid
from collections.abc import Callable

import pytest
import requests

from airflow_transition.hooks.archive_stream import ArchiveDigestError
from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
from airflow_transition.hooks.oci_registry import OciRegistryHook
from airflow_transition.hooks.registry_errors import ImageMissingError, RegistryDeniedError
from lab.services.loopback import RegistryEndpoint
from tests.integration.image.conftest import Bucket


@pytest.fixture
def pod() -> str:
    return f"video-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def hook(registry: RegistryEndpoint, connect_registry: Callable[..., None]) -> OciRegistryHook:
    connect_registry(registry)
    return OciRegistryHook()


def get(registry: RegistryEndpoint, path: str) -> requests.Response:
    session = requests.Session()
    session.trust_env = False
    return session.get(
        f"{registry.url}/v2/{path}",
        auth=(registry.username, registry.password),
        verify=str(registry.ca_file),
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
        timeout=10,
    )


def test_the_archive_is_the_first_layer_of_an_image_that_every_runtime_knows(
    bucket: Bucket, registry: RegistryEndpoint, hook: OciRegistryHook, archive: bytes, pod: str
) -> None:
    record = bucket.upload(archive, pod=pod)
    image = hook.push_checkpoint_image(
        record=record, archive=CheckpointStoreHook().open_archive(record)
    )
    repository = f"checkpoints/checkpoint-shop_{pod}-app"
    digest = image.reference.partition("@")[2]
    assert image.reference == f"{registry.address}/{repository}@{digest}"
    manifest = get(registry, f"{repository}/manifests/{digest}").json()
    layer, override = manifest["layers"]
    assert layer["digest"] == record.digest
    assert get(registry, f"{repository}/blobs/{layer['digest']}").content == archive
    assert override["size"] == 10240
    assert manifest["annotations"]["org.criu.checkpoint.container.name"] == "app"
    assert manifest["annotations"]["io.podman.annotations.checkpoint.runtime.name"] == "runc"
    config = get(registry, f"{repository}/blobs/{manifest['config']['digest']}").json()
    assert config["rootfs"]["diff_ids"] == [layer["digest"], override["digest"]]
    assert get(registry, f"{repository}/manifests/20261123T030447Z").json() == manifest
    assert image.moved_bytes == len(archive)


@pytest.mark.parametrize("compress", [False, True])
def test_a_repeated_build_finds_its_work_done(
    bucket: Bucket, hook: OciRegistryHook, archive: bytes, pod: str, *, compress: bool
) -> None:
    record = bucket.upload(archive, pod=pod)
    first, second = (
        hook.push_checkpoint_image(
            record=record,
            archive=CheckpointStoreHook().open_archive(record),
            compress=compress,
        )
        for _ in range(2)
    )
    assert first.moved_bytes == len(archive)
    assert second.moved_bytes == 0
    assert second.reference == first.reference


def test_a_compressed_layer_holds_the_same_archive(
    bucket: Bucket, registry: RegistryEndpoint, hook: OciRegistryHook, archive: bytes, pod: str
) -> None:
    from backports import zstd  # noqa: PLC0415

    record = bucket.upload(archive, pod=pod)
    image = hook.push_checkpoint_image(
        record=record, archive=CheckpointStoreHook().open_archive(record), compress=True
    )
    repository = image.reference.partition("@")[0].partition("/")[2]
    layer = hook.read_manifest(image.reference)["layers"][0]
    assert layer["mediaType"].endswith("tar+zstd")
    assert layer["size"] < len(archive)
    blob = get(registry, f"{repository}/blobs/{layer['digest']}").content
    assert zstd.decompress(blob) == archive


def test_a_blob_of_another_repository_is_mounted_and_not_sent(
    bucket: Bucket, hook: OciRegistryHook, archive: bytes, pod: str
) -> None:
    store = CheckpointStoreHook()
    record = bucket.upload(archive, pod=pod)
    hook.push_checkpoint_image(record=record, archive=store.open_archive(record))
    other = bucket.upload(archive, pod=f"{pod}-other")
    image = hook.push_checkpoint_image(
        record=other,
        archive=store.open_archive(other),
        mount_from=["checkpoints/not-there", f"checkpoints/checkpoint-shop_{pod}-app"],
    )
    assert image.moved_bytes == 0


def test_an_archive_that_differs_from_its_record_leaves_no_manifest(
    bucket: Bucket, registry: RegistryEndpoint, hook: OciRegistryHook, archive: bytes, pod: str
) -> None:
    changed = archive.replace(b"counter", b"kounter")
    record = bucket.upload(archive, pod=pod)
    bucket.client.put_object(Bucket=record.bucket, Key=record.key, Body=changed)
    with pytest.raises(ArchiveDigestError, match="not those that the node's agent hashed"):
        hook.push_checkpoint_image(
            record=record, archive=CheckpointStoreHook().open_archive(record)
        )
    tags = get(registry, f"checkpoints/checkpoint-shop_{pod}-app/tags/list")
    assert tags.status_code == 404 or not tags.json()["tags"]


def test_a_wrong_password_is_named_and_kept_out_of_the_message(
    bucket: Bucket,
    registry: RegistryEndpoint,
    connect_registry: Callable[..., None],
    archive: bytes,
    pod: str,
) -> None:
    connect_registry(registry, password="not-this-one")
    record = bucket.upload(archive, pod=pod)
    with pytest.raises(RegistryDeniedError) as caught:
        OciRegistryHook().push_checkpoint_image(
            record=record, archive=CheckpointStoreHook().open_archive(record)
        )
    assert "not-this-one" not in str(caught.value)


def test_an_image_whose_blob_is_gone_does_not_verify(
    bucket: Bucket, registry: RegistryEndpoint, hook: OciRegistryHook, archive: bytes, pod: str
) -> None:
    record = bucket.upload(archive, pod=pod)
    image = hook.push_checkpoint_image(
        record=record, archive=CheckpointStoreHook().open_archive(record)
    )
    hook.verify_image(image.reference)
    repository = image.reference.partition("@")[0].partition("/")[2]
    session = requests.Session()
    session.trust_env = False
    answer = session.delete(
        f"{registry.url}/v2/{repository}/blobs/{record.digest}",
        auth=(registry.username, registry.password),
        verify=str(registry.ca_file),
        timeout=10,
    )
    assert answer.status_code == 202
    with pytest.raises(ImageMissingError):
        hook.verify_image(image.reference)
