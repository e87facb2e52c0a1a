"""The volumes of one package on their way to another cluster."""

from collections.abc import Iterator, Mapping

from pydantic import AwareDatetime
from transition_wire.model import DnsSubdomain, WireModel

from airflow_transition.core.manifests import WorkloadRef
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_velero import Velero
from airflow_transition.core.resources import manifests
from airflow_transition.core.velero import FoundBackup, object_name
from airflow_transition.core.yaml_places import entries, find, value_of


class VolumesPlan(WireModel):
    """Which claims come along, by which backup and which restore."""

    velero: Velero
    claims: tuple[DnsSubdomain, ...]
    backup: DnsSubdomain
    created: AwareDatetime | None = None
    """When the backup began; None: the move makes it."""
    restore: DnsSubdomain


def volumes_plan(
    velero: Velero,
    *,
    package: str,
    move: str,
    claims: tuple[str, ...],
    backup: FoundBackup | None = None,
) -> VolumesPlan:
    """Without a `backup`, the one that the move makes; the names are the same at each attempt."""
    name = backup.name if backup else object_name(package, move, "backup")
    return VolumesPlan(
        velero=velero,
        claims=claims,
        backup=name,
        created=backup.created if backup else None,
        restore=object_name(package, move, name, "restore"),
    )


def failover_volumes(
    policy: ClusterPolicy,
    *,
    package: str,
    lost: str,
    target: str,
    claims: tuple[str, ...],
    backup: FoundBackup,
) -> VolumesPlan:
    """Named after what is restored where: a run that takes over finds it done."""
    return volumes_plan(
        policy.spec.velero,
        package=package,
        move=f"failover/{policy.name}/{lost}/{target}",
        claims=claims,
        backup=backup,
    )


def claims_of(files: Mapping[str, str], *, workload: WorkloadRef) -> tuple[str, ...]:
    """Names of the PersistentVolumeClaims that the workload's pods use."""
    return tuple(sorted(set(_claims(files, workload=workload))))


def _claims(files: Mapping[str, str], *, workload: WorkloadRef) -> Iterator[str]:
    resources = (one for manifest in manifests(files) for one in manifest.resources())
    replicas = workload.replicas or 1  # what was fenced before is at 0
    for resource in resources:
        if not resource.is_same(
            kind=workload.kind, name=workload.name, namespace=workload.namespace
        ):
            continue
        for volume in entries(resource.at(*resource.pod_path, "spec", "volumes")):
            claim = value_of(find(volume.end, "persistentVolumeClaim", "claimName"))
            if claim:
                yield claim
        first = int(resource.text("spec", "ordinals", "start") or 0)
        for template in entries(resource.at("spec", "volumeClaimTemplates")):
            name = value_of(find(template.end, "metadata", "name"))
            for ordinal in range(first, first + replicas):
                yield f"{name}-{workload.name}-{ordinal}"
