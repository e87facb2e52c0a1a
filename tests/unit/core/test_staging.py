"""What stages an image never starts it, and is the same however often it is made."""

from typing import Any

from airflow_transition.core.manifests import PACKAGE_ANNOTATION
from airflow_transition.core.staging import STAGED_LABEL, staging_pod

ONE, OTHER = (f"registry.example/checkpoints@sha256:{64 * digit}" for digit in "12")
SLEEPER = "registry.example/busybox:1"


def staged(**changes: Any) -> dict[str, Any]:
    wanted = {"policy": "p", "package": "shop", "node": "n1", "images": {"app": ONE, "side": OTHER}}
    return staging_pod(**(wanted | changes), sleeper=SLEEPER)


def test_no_container_is_made_of_a_checkpoint_image() -> None:
    (container,) = staged()["spec"]["containers"]
    assert container["image"] == SLEEPER
    assert container["command"][0] == "sleep"
    assert "initContainers" not in staged()["spec"]


def test_each_image_is_a_volume_that_is_mounted_so_that_its_pull_counts() -> None:
    spec = staged()["spec"]
    volumes = {each["name"]: each["image"]["reference"] for each in spec["volumes"]}
    mounted = {each["name"] for each in spec["containers"][0]["volumeMounts"]}
    assert sorted(volumes.values()) == [ONE, OTHER]
    assert mounted == set(volumes)


def test_it_is_not_taken_for_the_package() -> None:
    metadata = staged()["metadata"]
    assert "annotations" not in metadata
    assert PACKAGE_ANNOTATION not in metadata["labels"]
    assert metadata["labels"][STAGED_LABEL] == "shop"


def test_the_same_images_on_the_same_node_are_the_same_pod() -> None:
    assert staged() == staged(images={"side": OTHER, "app": ONE})
    names = {
        made["metadata"]["name"]
        for made in (staged(), staged(node="n2"), staged(images={"app": OTHER, "side": ONE}))
    }
    assert len(names) == 3


def test_long_names_stay_names_and_labels() -> None:
    metadata = staged(package="p" * 63, policy="q" * 250)["metadata"]
    assert len(metadata["name"]) <= 63
    assert all(len(value) <= 63 for value in metadata["labels"].values())
