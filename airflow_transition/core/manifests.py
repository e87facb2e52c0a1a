"""Find a package's workload in its manifests, and change its images and replicas in their text.

Texts are as in Git, byte for byte: read them without newline translation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.kustomize import (
    image_entries,
    is_kustomization,
    refuse_overrides,
    replica_entries,
)
from airflow_transition.core.resources import Manifest, Resource, manifests
from airflow_transition.core.workload_changes import (
    image_splices,
    refuse_many_copies,
    refuse_other_containers,
    refuse_unknown_containers,
    refuse_unscalable,
    replica_splices,
)

if TYPE_CHECKING:
    from airflow_transition.core.splices import Splice

POLICY_ANNOTATION = "transition.dcnlab.ssu.ac.kr/cluster-policy"
PACKAGE_ANNOTATION = "transition.dcnlab.ssu.ac.kr/packageName"


class WorkloadNotFoundError(PermanentError):
    """No manifest of the package has the two annotations."""


class AmbiguousWorkloadError(PermanentError):
    """More than one manifest has the annotations of one package."""


@dataclass(frozen=True)
class WorkloadRef:
    """Where a workload stands, and what it is."""

    path: str
    document: int
    """Of the YAML stream, the first being 0."""
    items: tuple[int, ...]
    """Way through the `items` of a List, outermost first; empty outside of one."""
    kind: str
    name: str
    namespace: str | None
    containers: tuple[str, ...]
    """Names, init containers left out."""
    replicas: int | None
    """As written; None where the manifest leaves it to the default."""
    labels: Mapping[str, str]
    """Of its pods."""


def find_workload(files: Mapping[str, str], *, package: str) -> WorkloadRef:
    """The one workload of `package`, by the annotations on its own metadata."""
    return _ref(_workload(manifests(files), package=package))


def replace_images(text: str, *, workload: WorkloadRef, images: Mapping[str, str]) -> str:
    """`text` with the image of each container in `images` replaced; nothing else differs."""
    resource = _resource(Manifest.read(text, path=workload.path), workload)
    refuse_unknown_containers(resource, images)
    return resource.manifest.with_splices(list(image_splices(resource, images, required=True)))


def scale(text: str, *, workload: WorkloadRef, replicas: int) -> str:
    """`text` with the workload's replicas set; the field is inserted where it is not written."""
    resource = _resource(Manifest.read(text, path=workload.path), workload)
    refuse_unscalable(resource)
    return resource.manifest.with_splices(list(replica_splices(resource, replicas)))


def promote(files: Mapping[str, str], *, package: str, images: Mapping[str, str]) -> dict[str, str]:
    """All files of `package` so that one copy of its pod starts from `images`, by digest.

    Patches and kustomizations that would set another image or more copies are changed with the
    manifest; what cannot be changed is refused. Replicas beyond the first would be clones.
    """
    package_manifests = manifests(files)
    workload = _workload(package_manifests, package=package)
    refuse_other_containers(workload, images)
    refuse_many_copies(workload, package_manifests)
    stay = _images_that_stay(workload, package_manifests)
    changed = dict(files)
    for manifest in package_manifests:
        splices: list[Splice] = []
        for part, is_whole in _parts(manifest, workload):
            splices += image_splices(part, images, required=is_whole)
            splices += replica_splices(part, 1, insert=False)
        if is_kustomization(manifest):
            refuse_overrides(manifest, workload=workload, field="image", files=files)
            refuse_overrides(manifest, workload=workload, field="replicas", files=files)
            splices += image_entries(manifest, references=images.values(), others=stay)
            splices += replica_entries(manifest, workload=workload.name or "", replicas=1)
        changed[manifest.path] = manifest.with_splices(splices)
    return changed


def scale_package(files: Mapping[str, str], *, package: str, replicas: int) -> dict[str, str]:
    """All files of `package` with its workload at `replicas`, also where a patch sets them."""
    package_manifests = manifests(files)
    workload = _workload(package_manifests, package=package)
    refuse_unscalable(workload)
    changed = dict(files)
    for manifest in package_manifests:
        splices: list[Splice] = []
        for part, is_whole in _parts(manifest, workload):
            splices += replica_splices(part, replicas, insert=is_whole)
        if is_kustomization(manifest):
            refuse_overrides(manifest, workload=workload, field="replicas", files=files)
            name = workload.name or ""
            splices += replica_entries(manifest, workload=name, replicas=replicas)
        changed[manifest.path] = manifest.with_splices(splices)
    return changed


def _workload(package_manifests: list[Manifest], *, package: str) -> Resource:
    found = [
        resource
        for manifest in package_manifests
        for resource in manifest.resources()
        if resource.text("metadata", "annotations", POLICY_ANNOTATION) == "true"
        and resource.text("metadata", "annotations", PACKAGE_ANNOTATION) == package
    ]
    if not found:
        raise WorkloadNotFoundError(
            f"no workload is annotated as package {package}",
            where=", ".join(manifest.path for manifest in package_manifests[:5]) or "no manifest",
            do=f'annotate its own metadata: {POLICY_ANNOTATION}: "true" and '
            f"{PACKAGE_ANNOTATION}: {package}",
        )
    if len(found) > 1:
        raise AmbiguousWorkloadError(
            f"{len(found)} workloads are annotated as package {package}",
            where=", ".join(resource.where for resource in found),
            do=f"give each workload a package name of its own ({PACKAGE_ANNOTATION})",
        )
    return found[0]


def _ref(resource: Resource) -> WorkloadRef:
    replicas = resource.text("spec", "replicas")
    return WorkloadRef(
        path=resource.manifest.path,
        document=resource.document,
        items=resource.items,
        kind=resource.kind,
        name=resource.name or "",
        namespace=resource.namespace,
        containers=tuple(resource.containers()),
        replicas=int(replicas) if replicas and replicas.isdecimal() else None,
        labels=resource.texts(*resource.pod_path, "metadata", "labels"),
    )


def _resource(manifest: Manifest, ref: WorkloadRef) -> Resource:
    for resource in manifest.resources():
        there = (resource.document, resource.items) == (ref.document, ref.items)
        if there and resource.is_same(kind=ref.kind, name=ref.name, namespace=ref.namespace):
            return resource
    raise WorkloadNotFoundError(
        f"{ref.kind} {ref.name} is no longer at document {ref.document}",
        where=ref.path,
        do="find the workload again in the files as they are now",
    )


def _parts(manifest: Manifest, workload: Resource) -> Iterator[tuple[Resource, bool]]:
    """The workload, True, and strategic merge patches of it, False."""
    for one in manifest.resources():
        if one.is_same(kind=workload.kind, name=workload.name, namespace=workload.namespace):
            yield one, one.trail.end is workload.trail.end


def _images_that_stay(workload: Resource, package_manifests: list[Manifest]) -> list[str]:
    """Images in the package that a promotion of `workload` leaves alone."""
    return [
        image
        for manifest in package_manifests
        for one in manifest.resources()
        for group in ("containers", "initContainers")
        for image in one.images(group)
        if group == "initContainers"
        or not one.is_same(kind=workload.kind, name=workload.name, namespace=None)
    ]
