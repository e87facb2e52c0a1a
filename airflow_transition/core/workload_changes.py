"""Changes to one workload in its manifest, and what must hold before they are made."""

import re
from collections.abc import Iterable, Mapping

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.resources import Manifest, Resource
from airflow_transition.core.splices import Splice, insertion, replacement
from airflow_transition.core.yaml_places import Trail, trail_to, value_of

_SCALABLE = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"})
_MOVABLE = _SCALABLE | {"Pod"}
_AUTOSCALERS = frozenset({"HorizontalPodAutoscaler", "ScaledObject"})
_REFERENCE = re.compile(r"^[A-Za-z0-9][\w.:/@-]*$", re.ASCII)
_BY_DIGEST = re.compile(r"^[^@]+/[^@]+@sha256:[0-9a-f]{64}$")


class ContainerMismatchError(PermanentError):
    """The containers of the manifest are not those of the restore point."""


class ImageReferenceError(PermanentError):
    """Not an image reference, or one by a tag where a digest is needed."""


class ManyCopiesError(PermanentError):
    """The workload cannot be held to one copy, and each copy would restore the same memory."""


class NotScalableError(PermanentError):
    """A workload of this kind has no replicas to set."""


def image_splices(resource: Resource, images: Mapping[str, str], *, required: bool) -> list[Splice]:
    trails: dict[str, Trail] = {}
    for name, container in resource.containers().items():
        image = trail_to(container, "image")
        if name not in images:
            continue
        if image is not None:
            trails[name] = image
        elif required:
            raise ContainerMismatchError(
                f"container {name} has no image of its own",
                where=f"{resource.manifest.path}:{container.end.line}",
                do="write its image into the manifest",
            )
    return [
        replacement(
            resource.manifest.body,
            trail,
            value=images[name],
            documents=resource.manifest.documents,
            where=resource.manifest.path,
            together=[other.end for other in trails.values()],
        )
        for name, trail in trails.items()
        if value_of(trail.end) != _checked(images[name], where=resource.where)
    ]


def replica_splices(resource: Resource, replicas: int, *, insert: bool = True) -> list[Splice]:
    spec, written = resource.at("spec"), resource.at("spec", "replicas")
    manifest = resource.manifest
    if resource.kind not in _SCALABLE or resource.text("spec", "replicas") == str(replicas):
        return []
    if written is not None:
        return [
            replacement(
                manifest.body,
                written,
                value=str(replicas),
                documents=manifest.documents,
                where=manifest.path,
            )
        ]
    if spec is None or not insert:
        return []
    return [
        insertion(
            manifest.body,
            spec,
            key="replicas",
            value=str(replicas),
            documents=manifest.documents,
            where=manifest.path,
        )
    ]


def _checked(reference: str, *, where: str) -> str:
    if not _REFERENCE.match(reference):
        raise ImageReferenceError(
            "no image reference",
            where=where,
            found=repr(reference[:80]),
            do="give host/name@digest",
        )
    return reference


def refuse_unknown_containers(workload: Resource, images: Mapping[str, str]) -> None:
    unknown = sorted(set(images) - set(workload.containers()))
    if unknown:
        raise ContainerMismatchError(
            f"{workload.kind} {workload.name} has no container {', '.join(unknown)}",
            where=workload.where,
            found=", ".join(workload.containers()) or "none",
            do="leave out containers that the cluster injects, or use a newer restore point",
        )


def refuse_other_containers(workload: Resource, images: Mapping[str, str]) -> None:
    refuse_unknown_containers(workload, images)
    without = sorted(set(workload.containers()) - set(images))
    if without:
        raise ContainerMismatchError(
            f"no checkpoint image for container {', '.join(without)}",
            where=workload.where,
            do="use a restore point of this version; parts of a pod are not restored alone",
        )
    for name, reference in images.items():
        if not _BY_DIGEST.match(reference):
            raise ImageReferenceError(
                f"the image of container {name} is not by digest",
                where=workload.where,
                found=repr(reference[:80]),
                do="use host/name@sha256:...: a tag may point elsewhere tomorrow",
            )


def refuse_many_copies(workload: Resource, package: Iterable[Manifest]) -> None:
    if workload.kind not in _MOVABLE:
        raise ManyCopiesError(
            f"a {workload.kind} cannot be held to one copy",
            where=workload.where,
            do="deploy it as a Deployment or StatefulSet with one replica; a DaemonSet belongs "
            "into the repository of each cluster: its pods can be checkpointed, not moved",
        )
    for manifest in package:
        for resource in manifest.resources():
            scales = resource.text("spec", "scaleTargetRef", "name") == workload.name
            most = resource.text("spec", "maxReplicas") or resource.text("spec", "maxReplicaCount")
            if resource.kind in _AUTOSCALERS and scales and most != "1":
                raise ManyCopiesError(
                    f"{resource.kind} {resource.name} would start copies of the restored pod",
                    where=resource.where,
                    do="set its maximum to 1, or take it out of the package",
                )


def refuse_unscalable(workload: Resource) -> None:
    if workload.kind not in _SCALABLE:
        raise NotScalableError(
            f"a {workload.kind} has no replicas",
            where=workload.where,
            do="deploy it as a Deployment or StatefulSet",
        )
