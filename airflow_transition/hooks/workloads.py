"""What the API server says of workloads and their pods, as values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_transition.core.checkpoint_deadline import quantity_bytes
from airflow_transition.core.manifests import PACKAGE_ANNOTATION, POLICY_ANNOTATION

Json = Mapping[str, Any]

PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
"""The kinds that deploy a package, as API paths write them."""

POD = "Pod"
"""A bare pod: one that no controller made."""

_REVISION = "deployment.kubernetes.io/revision"
_FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class PodSet:
    """The pods of a workload, whether they exist yet or not: what a door is closed around."""

    namespace: str
    workload: str
    labels: Mapping[str, str]
    """Labels that each of the pods carries: the workload's pod template."""
    selector: Mapping[str, Any] | None = None
    """The workload's own label selector; None: all of `labels`."""

    @property
    def label_selector(self) -> dict[str, Any]:
        return dict(self.selector or {"matchLabels": dict(self.labels)})

    def __str__(self) -> str:
        return f"{self.namespace}/{self.workload}"


@dataclass(frozen=True)
class Workload:
    """The Deployment, StatefulSet, DaemonSet or bare pod that deploys a package."""

    kind: str
    namespace: str
    name: str
    uid: str
    package: str
    replicas: int
    pods: PodSet
    containers: tuple[str, ...]
    """Names in the order of the pod template; init containers are not among them."""
    host_network: bool
    host_ports: tuple[int, ...]
    revision: str | None
    """What the newest pods are known by; None where it cannot be told."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Container name to image, as the pod template wants it."""
    first_ordinal: int = 0
    """Of a StatefulSet's pods."""

    def is_first(self, pod: str) -> bool:
        """Whether a pod is the one that stays when the workload is scaled to one replica.

        Each pod of a StatefulSet is somebody else; those of other workloads stand for each other.
        """
        return self.kind != "StatefulSet" or pod == f"{self.name}-{self.first_ordinal}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Annotated:
    """An object that carries the two annotations: which package it deploys, and where it is."""

    kind: str
    namespace: str
    name: str
    package: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Container:
    """One container of a pod: what was asked for, and how it is."""

    name: str
    image: str
    """As in the spec. The status names the base image of a restored container."""
    running: bool = False
    ready: bool = False
    restart_count: int = 0
    reason: str | None = None
    """Why it waits or ended: CreateContainerError, ImagePullBackOff, Error."""
    message: str = ""
    memory_limit_bytes: int | None = None
    """None: as much as the node has."""


@dataclass(frozen=True)
class Pod:
    """One pod of a workload."""

    namespace: str
    name: str
    uid: str
    node: str | None
    ip: str | None
    phase: str
    ready: bool
    deleting: bool
    current: bool
    """Made from the workload's newest template."""
    created: datetime
    containers: tuple[Container, ...]
    unscheduled: str | None = None
    """Why the scheduler finds no node."""
    labels: Mapping[str, str] = field(default_factory=dict)
    host_ip: str | None = None
    """Its node's InternalIP."""

    @property
    def finished(self) -> bool:
        return self.phase in _FINISHED

    @property
    def running(self) -> bool:
        return self.phase == "Running" and not self.deleting

    @property
    def images(self) -> dict[str, str]:
        return {container.name: container.image for container in self.containers}


def read_workload(found: Json, *, kind: str) -> Workload:
    """A workload from its object; list items do not carry their kind."""
    metadata, spec = found["metadata"], found["spec"]
    template = spec["template"]
    pod_spec = template["spec"]
    return Workload(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        package=annotation(found, PACKAGE_ANNOTATION) or "",
        replicas=spec.get("replicas", 1),
        pods=PodSet(
            namespace=metadata["namespace"],
            workload=metadata["name"],
            labels=template["metadata"].get("labels") or {},
            selector=spec.get("selector"),
        ),
        containers=tuple(container["name"] for container in pod_spec["containers"]),
        host_network=bool(pod_spec.get("hostNetwork")),
        host_ports=tuple(_host_ports(pod_spec)),
        revision=_revision(found, kind=kind),
        images={item["name"]: item.get("image", "") for item in pod_spec["containers"]},
        first_ordinal=int((spec.get("ordinals") or {}).get("start") or 0),
    )


def read_annotated(found: Json, *, kind: str) -> Annotated | None:
    """What an object says of a package by its metadata; None: it belongs to none."""
    package = annotation(found, PACKAGE_ANNOTATION)
    if annotation(found, POLICY_ANNOTATION) != "true" or not package:
        return None
    metadata = found["metadata"]
    return Annotated(kind, metadata["namespace"], metadata["name"], package)


def read_bare_pod(found: Json) -> Workload:
    """A pod that no controller made, as the workload of one replica that it is."""
    return read_workload({**found, "spec": {"replicas": 1, "template": found}}, kind=POD)


def read_pod(found: Json, *, current: bool) -> Pod:
    metadata, spec = found["metadata"], found["spec"]
    status = found.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    states = {item["name"]: item for item in status.get("containerStatuses") or ()}
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        node=spec.get("nodeName"),
        ip=status.get("podIP"),
        phase=status.get("phase", "Unknown"),
        ready=conditions.get("Ready", {}).get("status") == "True",
        deleting="deletionTimestamp" in metadata,
        current=current,
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        containers=tuple(
            _container(item, status=states.get(item["name"], {})) for item in spec["containers"]
        ),
        unscheduled=scheduled.get("message") if scheduled.get("status") == "False" else None,
        labels=metadata.get("labels") or {},
        host_ip=status.get("hostIP"),
    )


def annotation(found: Json, name: str) -> str | None:
    value = (found["metadata"].get("annotations") or {}).get(name)
    return None if value is None else str(value)


def owner_uid(found: Json) -> str | None:
    """Uid of the controller that made this object."""
    for owner in found["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner["uid"])
    return None


def replica_set_revision(found: Json) -> str | None:
    return annotation(found, _REVISION)


def pod_revision(found: Json, *, kind: str) -> str | None:
    """What a StatefulSet's or a DaemonSet's pod says of the template it was made from."""
    label = "controller-revision-hash" if kind == "StatefulSet" else "pod-template-generation"
    value = (found["metadata"].get("labels") or {}).get(label)
    return None if value is None else str(value)


def selector_query(selector: Json) -> str:
    """A label selector as the `labelSelector` parameter writes it."""
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        key, values = rule["key"], ",".join(rule.get("values") or ())
        match rule["operator"]:
            case "In":
                terms.append(f"{key} in ({values})")
            case "NotIn":
                terms.append(f"{key} notin ({values})")
            case "Exists":
                terms.append(key)
            case "DoesNotExist":
                terms.append(f"!{key}")
    return ",".join(terms)


def selects(selector: Json, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes a pod that carries `labels`."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_rule_takes(rule, labels) for rule in selector.get("matchExpressions") or ())


def _rule_takes(rule: Json, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(rule["key"]), rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
    return value is None


def _revision(found: Json, *, kind: str) -> str | None:
    if kind == "Deployment":
        return annotation(found, _REVISION)
    if kind == "StatefulSet":
        return (found.get("status") or {}).get("updateRevision")
    return annotation(found, "deprecated.daemonset.template.generation")


def _host_ports(pod_spec: Json) -> Iterator[int]:
    for container in pod_spec["containers"]:
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port["hostPort"]


def _container(spec: Json, *, status: Json) -> Container:
    state = status.get("state") or {}
    waits = state.get("waiting") or state.get("terminated") or {}
    limit = ((spec.get("resources") or {}).get("limits") or {}).get("memory")
    return Container(
        name=spec["name"],
        image=spec["image"],
        running="running" in state,
        ready=bool(status.get("ready")),
        restart_count=status.get("restartCount", 0),
        reason=waits.get("reason"),
        message=(waits.get("message") or "")[:600],
        memory_limit_bytes=None if limit is None else quantity_bytes(str(limit)),
    )
