"""The edits that a move makes to a package's manifests, and how to see that they were made."""

from collections.abc import Mapping

from airflow_transition.core.bare_pods import POD, without_pod
from airflow_transition.core.manifests import (
    WorkloadNotFoundError,
    find_workload,
    promote,
    scale_package,
)

Files = Mapping[str, str]
"""Path from the repository's root to text."""


def promoted(files: Files, *, package: str, images: Mapping[str, str]) -> dict[str, str]:
    """The package as the target is to run it: one copy, from its checkpoint images."""
    return promote(files, package=package, images=images)


def redeployed(files: Files, *, package: str, replicas: int) -> dict[str, str]:
    """The package as the target is to run it without its memory: its own images and replicas."""
    if find_workload(files, package=package).kind == POD:
        return dict(files)
    return scale_package(files, package=package, replicas=replicas)


def retired(files: Files, *, package: str) -> dict[str, str]:
    """The package as the source is to have it: running nowhere.

    A workload stays deployed with no replica; a bare pod's manifest goes, and with it a file that
    held nothing else.
    """
    try:
        workload = find_workload(files, package=package)
    except WorkloadNotFoundError:
        return dict(files)
    if workload.kind == POD:
        return without_pod(files, pod=workload)
    return scale_package(files, package=package, replicas=0)


def copied(files: Files, *, source: str, target: str) -> dict[str, str]:
    """The files of the folder `source` as those of the folder `target`, byte for byte."""
    if source == target:
        return dict(files)
    before, after = ("" if folder == "." else f"{folder}/" for folder in (source, target))
    return {f"{after}{name.removeprefix(before)}": text for name, text in files.items()}


def is_retired(files: Files, *, package: str) -> bool:
    """Whether the manifests want no copy; those that do not name the package at all want none."""
    try:
        return find_workload(files, package=package).replicas == 0
    except WorkloadNotFoundError:
        return True


def is_wanted(files: Files, *, package: str) -> bool:
    """Whether the manifests have the cluster run the package at all."""
    return bool(files) and not is_retired(files, package=package)


def is_promoted(files: Files, *, images: Mapping[str, str]) -> bool:
    """Whether the manifests want each of the images; Kustomize writes the digest by itself."""
    digests = [image.rpartition("@")[2] for image in images.values()]
    return all(any(digest in text for text in files.values()) for digest in digests)
