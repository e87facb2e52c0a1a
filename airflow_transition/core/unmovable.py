"""What of a package does not move with it, named from its manifests before anything happens."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from airflow_transition.core.manifests import WorkloadRef
from airflow_transition.core.manner import Manner
from airflow_transition.core.outside_folder import not_in_folder
from airflow_transition.core.resources import Resource, manifests
from airflow_transition.core.yaml_places import Trail, entries, fields, find, trail_to, value_of

_HOSTNAME = "kubernetes.io/hostname"


@dataclass(frozen=True)
class NodeNeeds:
    """What a pod asks of its node by name or by labels."""

    where: str
    labels: Mapping[str, str]
    """`nodeSelector`."""
    node: str | None = None
    """`nodeName`."""

    @property
    def text(self) -> str:
        if self.node is not None:
            return f"nodeName {self.node} ({self.where})"
        wanted = ", ".join(f"{key}={value}" for key, value in sorted(self.labels.items()))
        return f"nodeSelector {wanted} ({self.where})"

    def unmet(self, nodes: Iterable[Mapping[str, str]]) -> str | None:
        """What no node of a cluster has; `nodes` are the labels of each."""
        if self.node is not None:
            met = any(self.node == labels.get(_HOSTNAME) for labels in nodes)
        else:
            met = any(self.labels.items() <= labels.items() for labels in nodes)
        return None if met else self.text


def stays_behind(
    files: Mapping[str, str], *, workload: WorkloadRef, manner: Manner
) -> tuple[str, ...]:
    """One line for each thing, with its place in the manifests; then what is not among them."""
    named = (
        line
        for resource in _resources(files)
        for line in _of_resource(resource, workload=workload, manner=manner)
    )
    return (*named, *not_in_folder(files, claims_come=manner is Manner.VOLUMES))


def node_needs(files: Mapping[str, str], *, workload: WorkloadRef) -> NodeNeeds | None:
    """None: the workload may run on any node."""
    for resource in _resources(files):
        if not _is_workload(resource, workload):
            continue
        labels = resource.texts(*resource.pod_path, "spec", "nodeSelector")
        node = resource.text(*resource.pod_path, "spec", "nodeName")
        if labels or node:
            return NodeNeeds(resource.where, labels, node)
    return None


def _resources(files: Mapping[str, str]) -> Iterator[Resource]:
    for manifest in manifests(files):
        yield from manifest.resources()


def _is_workload(resource: Resource, workload: WorkloadRef) -> bool:
    return resource.is_same(kind=workload.kind, name=workload.name, namespace=workload.namespace)


def _of_resource(resource: Resource, *, workload: WorkloadRef, manner: Manner) -> Iterator[str]:
    if _is_workload(resource, workload):
        yield from _of_pods(resource, manner=manner)
    elif resource.kind == "Service":
        yield from _of_service(resource)
    elif resource.kind == "PersistentVolume":
        yield from _of_volume(resource)
    elif resource.kind == "PersistentVolumeClaim" and manner is not Manner.VOLUMES:
        yield f"the data of PersistentVolumeClaim {resource.name} ({resource.where})"


def _of_pods(resource: Resource, *, manner: Manner) -> Iterator[str]:
    spec = (*resource.pod_path, "spec")
    for volume in entries(resource.at(*spec, "volumes")):
        yield from _of_pod_volume(volume, path=resource.manifest.path, manner=manner)
    if manner is not Manner.VOLUMES:
        for claim in entries(resource.at("spec", "volumeClaimTemplates")):
            name = value_of(find(claim.end, "metadata", "name"))
            yield f"the data of volumeClaimTemplate {name} ({_at(resource, claim)})"
    if resource.text(*spec, "hostNetwork") == "true":
        yield f"hostNetwork: its addresses are those of its node ({resource.where})"
    for container in entries(resource.at(*spec, "containers")):
        for port in entries(trail_to(container, "ports")):
            number = value_of(find(port.end, "hostPort"))
            if number:
                yield f"hostPort {number} of its node ({_at(resource, port)})"


def _of_pod_volume(volume: Trail, *, path: str, manner: Manner) -> Iterator[str]:
    name, line = value_of(find(volume.end, "name")), volume.end.line
    where = f"{path}:{line}"
    kinds = fields(volume.end)
    if "hostPath" in kinds:
        folder = value_of(find(volume.end, "hostPath", "path"))
        yield f"volume {name}: hostPath {folder} is a folder of its node ({where})"
    if "emptyDir" in kinds and manner is Manner.LIVE:
        yield f"volume {name}: emptyDir, whose files are in no checkpoint ({where})"
    if "persistentVolumeClaim" in kinds and manner is not Manner.VOLUMES:
        claim = value_of(find(volume.end, "persistentVolumeClaim", "claimName"))
        yield f"volume {name}: the data of PersistentVolumeClaim {claim} ({where})"


def _of_volume(resource: Resource) -> Iterator[str]:
    """A volume that is part of a node is out of reach of any other node."""
    for kind in ("local", "hostPath"):
        folder = resource.text("spec", kind, "path")
        if folder is not None:
            yield (
                f"PersistentVolume {resource.name}: {kind} {folder} is on a node ({resource.where})"
            )


def _of_service(resource: Resource) -> Iterator[str]:
    where = resource.where
    address = resource.text("spec", "loadBalancerIP")
    if resource.text("spec", "type") == "LoadBalancer":
        asked = f" {address}" if address else ""
        yield (
            f"Service {resource.name}: the target's load balancer gives it another address"
            f"{asked and f' than{asked}'}; whoever uses it has to be told ({where})"
        )
    fixed = resource.text("spec", "clusterIP")
    if fixed not in (None, "", "None"):
        yield f"Service {resource.name}: clusterIP {fixed} is of its cluster ({where})"
    for one in entries(resource.at("spec", "externalIPs")):
        yield f"Service {resource.name}: externalIP {value_of(one.end)} ({where})"
    for port in entries(resource.at("spec", "ports")):
        number = value_of(find(port.end, "nodePort"))
        if number:
            yield f"Service {resource.name}: nodePort {number} may be taken there ({where})"


def _at(resource: Resource, place: Trail) -> str:
    return f"{resource.manifest.path}:{place.end.line}"
