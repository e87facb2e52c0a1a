"""The small documents of a checkpoint image, from what real runtimes wrote."""

import io
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transition_wire.checkpoint_record import BaseImage, CheckpointRecord, StoredArchive
from transition_wire.node_facts import NodeFacts

from airflow_transition.core import image, image_names
from airflow_transition.core.checkpoint import read_archive
from airflow_transition.core.image import UnusableConfigError
from airflow_transition.core.image_names import ImageNameError

FIXTURES = Path(__file__).parents[2] / "fixtures"
BASE = f"registry.example:5000/video@sha256:{'a' * 64}"
PODMAN_ID = "fdcc4684a0d4f775453ba92d7a362dcc40d8694cfa9febc43cff1873d4bcb0e5"
COUNTER = "8fae4c93d68ace08cdd360eff654591a4d4f76480d528ecbf22e031b2bcaf2f3"


def config_dump(runtime: str) -> bytes:
    (file,) = (FIXTURES / runtime).glob("*.tar")
    with file.open("rb") as archive:
        return read_archive(archive, where=file.name).config_dump


CONTAINERD = config_dump("kubernetes-1.36")
PODMAN = config_dump("podman-4.3.1")


def record(
    *, pod: str = "video-85f5b48bb5-b5dgv", architecture: str = "x86_64"
) -> CheckpointRecord:
    created = datetime(2026, 11, 23, 3, 4, 47, tzinfo=UTC)
    filename = f"checkpoint-{pod}_shop-app-2026-11-23T03:04:47Z.tar"
    return CheckpointRecord(
        cluster="cluster1-azure",
        namespace="shop",
        pod=pod,
        container="app",
        filename=filename,
        bucket="checkpoints",
        key=f"cluster1-azure/shop/video/{filename}",
        digest=f"sha256:{'d' * 64}",
        size_bytes=184320,
        stored=StoredArchive(
            key=f"cluster1-azure/shop/video/{filename}",
            digest=f"sha256:{'d' * 64}",
            size_bytes=184320,
            compression="none",
        ),
        created=created,
        uploaded=created,
        base_image=BaseImage(name="registry.example/video:1", reference="sha256:" + "b" * 64),
        members={},
        agent_version="0.1.0",
        node=NodeFacts(
            cluster="cluster1-azure",
            node="node-a",
            measured=created,
            kernel="6.18.5",
            architecture=architecture,
            cpu_model="AMD EPYC",
            cpu_features=(),
            xsave_size_bytes=None,
            cgroup_version=2,
            criu="4.2",
            criu_check=None,
            runc="1.5.1",
            containerd="2.3.4",
            crio=None,
            podman=None,
        ),
    )


def overridden(content: bytes) -> dict[str, object]:
    layer = image.override_layer(content, base_image=BASE, where="test")
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        (member,) = tar.getmembers()
        assert member.name == "config.dump"
        assert (member.mode, member.uid, member.mtime) == (0o600, 0, 0)
        found = tar.extractfile(member)
        assert found is not None
        return json.loads(found.read())


def test_containerd_names_its_base_image_by_digest() -> None:
    base = image.base_image(CONTAINERD, where="test")
    assert base.name == "127.0.0.1:15000/counter:1"
    assert image.digest_reference(base) == f"127.0.0.1:15000/counter@sha256:{COUNTER}"


def test_podman_names_its_base_image_by_an_id_that_no_registry_serves() -> None:
    base = image.base_image(PODMAN, where="test")
    assert base.name.endswith("/counter:1")
    assert image.digest_reference(base) is None
    assert image.image_id(base) == f"sha256:{PODMAN_ID}"


@pytest.mark.parametrize("content", [b"{}", b'{"rootfsImageName": 7, "rootfsImageRef": "x"}'])
def test_a_config_without_a_base_image_is_named(content: bytes) -> None:
    with pytest.raises(UnusableConfigError, match="does not name the container's base image"):
        image.base_image(content, where="test")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000, b"\xff"])
def test_a_config_that_is_no_json_object_is_named(content: bytes) -> None:
    with pytest.raises(UnusableConfigError, match="not a JSON object"):
        image.override_layer(content, base_image=BASE, where="test")


def test_the_override_changes_only_containerds_image_fields() -> None:
    changed = {"rootfsImageRef": BASE, "rootfsImageName": BASE}
    assert overridden(CONTAINERD) == {**json.loads(CONTAINERD), **changed}


def test_the_override_changes_only_podmans_image_name() -> None:
    assert overridden(PODMAN) == {**json.loads(PODMAN), "rootfsImageName": BASE}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(config=st.dictionaries(st.text(), JSON, max_size=6), name=st.text())
def test_the_override_leaves_every_other_field_as_it_is(
    config: dict[str, object], name: str
) -> None:
    config = {key: value for key, value in config.items() if not key.lower().startswith("rootfs")}
    content = json.dumps({**config, "rootfsImageName": name}).encode()
    assert overridden(content) == {**config, "rootfsImageName": BASE}


def test_another_spelling_of_a_field_does_not_win_over_ours() -> None:
    content = b'{"rootfsImageRef": "a", "ROOTFSIMAGEREF": "evil", "rootfsimagename": "evil"}'
    assert overridden(content) == {"rootfsImageRef": BASE, "rootfsImageName": BASE}


def test_the_same_checkpoint_gives_the_same_image() -> None:
    def build() -> bytes:
        override = image.override_layer(CONTAINERD, base_image=BASE, where="test")
        layers = (image.archive_layer(record()), image.tar_layer(override))
        annotations = image.image_annotations(
            record=record(), config_dump=CONTAINERD, base_image=BASE
        )
        config = image.image_config(record=record(), layers=layers)
        return image.image_manifest(config=config, layers=layers, annotations=annotations)

    assert build() == build()


def test_the_config_is_for_the_nodes_platform_and_names_each_layer() -> None:
    layers = (image.archive_layer(record()), image.tar_layer(b"x"))
    config = json.loads(image.image_config(record=record(architecture="aarch64"), layers=layers))
    assert (config["architecture"], config["os"]) == ("arm64", "linux")
    assert config["rootfs"]["diff_ids"] == [record().digest, layers[1].diff_id]
    assert config["created"] == "2026-11-23T03:04:47Z"


@pytest.mark.parametrize(("content", "name"), [(CONTAINERD, None), (PODMAN, "app")])
def test_every_runtime_finds_its_annotation(content: bytes, name: str | None) -> None:
    found = image.image_annotations(record=record(), config_dump=content, base_image=BASE)
    assert found["org.criu.checkpoint.container.name"] == "app"
    assert found["io.kubernetes.cri-o.annotations.checkpoint.name"] == "app"
    assert found["io.podman.annotations.checkpoint.runtime.name"] == "runc"
    assert found["io.podman.annotations.checkpoint.name"] == (name or json.loads(content)["name"])
    assert found["org.opencontainers.image.base.digest"] == f"sha256:{'a' * 64}"
    assert all(isinstance(value, str) and value for value in found.values())


def test_a_manifest_is_plain_oci() -> None:
    layers = (image.archive_layer(record()),)
    manifest = json.loads(image.image_manifest(config=b"{}", layers=layers, annotations={"a": "b"}))
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["layers"][0] == {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": record().digest,
        "size": 184320,
    }


def test_an_image_is_named_after_its_container() -> None:
    name = image_names.image_repository(record(), repository="checkpoints")
    assert name == "checkpoints/checkpoint-shop_video-85f5b48bb5-b5dgv-app"
    assert image_names.image_repository(record(), repository="").startswith("checkpoint-shop_")
    assert image_names.image_tag(record().created) == "20261123T030447Z"


@pytest.mark.parametrize("repository", ["Upper", "a//b", "a/" * 120, "-a"])
def test_a_name_that_no_registry_takes_is_refused(repository: str) -> None:
    with pytest.raises(ImageNameError, match="do not take this repository name"):
        image_names.image_repository(record(), repository=repository)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("10.87.0.2:5000/video:1", ("10.87.0.2:5000", "video", "1")),
        ("registry.example/shop/video", ("registry.example", "shop/video", "latest")),
        ("localhost/video:1", ("localhost", "video", "1")),
        ("shop/video:1", ("docker.io", "shop/video", "1")),
        ("redis", ("docker.io", "library/redis", "latest")),
    ],
)
def test_a_name_is_split_as_runtimes_do(name: str, parts: tuple[str, str, str]) -> None:
    assert image_names.split_name(name) == parts
