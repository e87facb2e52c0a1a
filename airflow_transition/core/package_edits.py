"""The two edits that a move makes to a package's manifests, and how to see that they were made."""

from collections.abc import Mapping

from airflow_transition.core.manifests import find_workload, promote, scale_package

Files = Mapping[str, str]
"""File name inside the package's folder to its text."""


def promoted(files: Files, *, package: str, images: Mapping[str, str]) -> dict[str, str]:
    """The package as the target is to run it: one copy, from its checkpoint images."""
    return promote(files, package=package, images=images)


def retired(files: Files, *, package: str) -> dict[str, str]:
    """The package as the source is to have it: deployed, and running nowhere."""
    return scale_package(files, package=package, replicas=0)


def is_retired(files: Files, *, package: str) -> bool:
    return find_workload(files, package=package).replicas == 0


def is_promoted(files: Files, *, images: Mapping[str, str]) -> bool:
    """Whether the manifests want each of the images; Kustomize writes the digest by itself."""
    digests = [image.rpartition("@")[2] for image in images.values()]
    return all(any(digest in text for text in files.values()) for digest in digests)
