"""Archive in S3 to image in a registry, with both servers real."""

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import certifi
import pytest
import requests
from backports import zstd

from airflow_transition.hooks.archive_check import ArchiveDigestError
from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
from airflow_transition.hooks.oci_registry import OciRegistryHook
from airflow_transition.hooks.registry_errors import (
    ImageMissingError,
    RegistryDeniedError,
    RegistryTlsError,
    RegistryUnavailableError,
)
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


@pytest.mark.parametrize("compressed", [False, True])
def test_a_repeated_build_finds_its_work_done(
    bucket: Bucket, hook: OciRegistryHook, archive: bytes, pod: str, *, compressed: bool
) -> None:
    frame = zstd.compress(archive) if compressed else None
    record = bucket.upload(archive, pod=pod, frame=frame)
    first, second = (
        hook.push_checkpoint_image(
            record=record,
            archive=CheckpointStoreHook().open_archive(record),
        )
        for _ in range(2)
    )
    assert first.moved_bytes == record.stored.size_bytes
    assert second.moved_bytes == 0
    assert second.reference == first.reference


def test_a_compressed_layer_holds_the_same_archive(
    bucket: Bucket, registry: RegistryEndpoint, hook: OciRegistryHook, archive: bytes, pod: str
) -> None:
    frame = zstd.compress(archive)
    record = bucket.upload(archive, pod=pod, frame=frame)
    image = hook.push_checkpoint_image(
        record=record, archive=CheckpointStoreHook().open_archive(record)
    )
    repository = image.reference.partition("@")[0].partition("/")[2]
    layer = hook.read_manifest(image.reference)["layers"][0]
    assert layer["mediaType"].endswith("tar+zstd")
    assert get(registry, f"{repository}/blobs/{layer['digest']}").content == frame
    config = hook.read_manifest(image.reference)["config"]["digest"]
    diff_ids = get(registry, f"{repository}/blobs/{config}").json()["rootfs"]["diff_ids"]
    assert diff_ids[0] == record.digest


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


class Interruption:
    """An archive whose reading, once, takes the registry down and up again."""

    def __init__(self, content: bytes, *, at: int, then: Callable[[], None]) -> None:
        self._file = io.BytesIO(content)
        self._at = at
        self._then: Callable[[], None] | None = then

    def read(self, size: int, /) -> bytes:
        if self._then is not None and self._file.tell() >= self._at:
            then, self._then = self._then, None
            then()
        return self._file.read(size)

    def seek(self, offset: int, /) -> int:
        return self._file.seek(offset)


def large(archive: bytes) -> bytes:
    """The recorded archive with 48 MiB of memory in front."""
    pages = tarfile.TarInfo("checkpoint/pages-2.img")
    pages.size = 48 << 20
    return pages.tobuf() + os.urandom(pages.size) + archive


@pytest.mark.parametrize("compressed", [False, True])
def test_a_registry_that_dies_in_the_middle_gets_the_whole_image_afterwards(
    bucket: Bucket,
    make_registry: Callable[[], RegistryEndpoint],
    connect_registry: Callable[..., None],
    archive: bytes,
    pod: str,
    *,
    compressed: bool,
) -> None:
    endpoint = make_registry()
    connect_registry(endpoint)
    content = large(archive)

    def restart() -> None:
        endpoint.server.kill()
        endpoint.server.start()

    frame = zstd.compress(content) if compressed else None
    source = Interruption(frame or content, at=24 << 20, then=restart)
    record = bucket.record(content, pod=pod, frame=frame)
    hook = OciRegistryHook()
    image = hook.push_checkpoint_image(record=record, archive=source)
    hook.verify_image(image.reference)


def test_a_registry_that_stays_away_is_temporary(
    bucket: Bucket,
    make_registry: Callable[[], RegistryEndpoint],
    connect_registry: Callable[..., None],
    archive: bytes,
    pod: str,
) -> None:
    endpoint = make_registry()
    connect_registry(endpoint)
    content = large(archive)
    source = Interruption(content, at=24 << 20, then=endpoint.server.kill)
    hook = OciRegistryHook(patience=timedelta(seconds=1))
    with pytest.raises(RegistryUnavailableError):
        hook.push_checkpoint_image(record=bucket.record(content, pod=pod), archive=source)


def test_a_registry_of_another_ca_is_permanent(
    registry: RegistryEndpoint, connect_registry: Callable[..., None]
) -> None:
    connect_registry(registry, ca_file=certifi.where())
    with pytest.raises(RegistryTlsError, match="no trusted TLS connection"):
        OciRegistryHook().read_manifest(f"{registry.address}/a@sha256:{'0' * 64}")


@pytest.fixture
def podman(registry: RegistryEndpoint) -> Iterator[Callable[..., str]]:
    """Podman with a store and credentials of its own; it wants a short path."""
    folder = Path(tempfile.mkdtemp(prefix="tp-"))
    (folder / "ca.crt").write_bytes(registry.ca_file.read_bytes())
    auth = b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (folder / "auth.json").write_text(json.dumps({"auths": {registry.address: {"auth": auth}}}))
    places = (f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs")

    def podman(*arguments: str) -> str:
        command = ["podman", *places, *arguments]
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder, timeout=60
        ).stdout

    yield podman
    podman("image", "umount", "--all")
    shutil.rmtree(folder)


def test_podman_reads_the_image_back(
    bucket: Bucket, hook: OciRegistryHook, archive: bytes, podman: Callable[..., str]
) -> None:
    pod = f"video-{uuid.uuid4().hex[:8]}"
    record = bucket.upload(archive, pod=pod, frame=zstd.compress(archive))
    image = hook.push_checkpoint_image(
        record=record, archive=CheckpointStoreHook().open_archive(record)
    )
    podman("pull", "--quiet", "--cert-dir=.", "--authfile=auth.json", image.reference)
    (found,) = json.loads(podman("image", "inspect", image.reference))
    assert found["Annotations"]["io.podman.annotations.checkpoint.runtime.name"] == "runc"
    assert found["RootFS"]["Layers"][0] == record.digest
    root = Path(podman("image", "mount", image.reference).strip())
    assert json.loads((root / "config.dump").read_text())["rootfsImageName"] == image.base_image
    assert (root / "checkpoint" / "pages-1.img").stat().st_size == 65_536
