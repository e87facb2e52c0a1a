"""The door of a package: nothing reaches its pods while they are checkpointed and moved.

Two locks, since either may not hold everywhere. A Service loses its pods by one more label in its
selector that no pod carries: no address is left to connect to. A network policy denies what comes
by other ways, and on the source also what the pods themselves would still do to others. Both are
objects of the cluster, so that the door opens again from the cluster's state alone: the extra label
and the policy are removed, and what was there before was never touched.

A GitOps engine that owns the whole selector (server-side apply: it is atomic) puts it back at its
next reconciliation; the policy stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks.kube_api import (
    APPLY_PATCH,
    FIELD_MANAGER,
    MERGE_PATCH,
    ConflictError,
    KubeApi,
    ObjectNotFoundError,
)
from airflow_transition.hooks.polling import Poll
from airflow_transition.hooks.workloads import (
    Json,
    PodSet,
    Workload,
    annotation,
    selector_query,
    selects,
)

DOOR_LABEL = "transition.dcnlab.ssu.ac.kr/door"
OWNER_ANNOTATION = "transition.dcnlab.ssu.ac.kr/door-closed-by"
CLOSED = "closed"


class DoorTakenError(PermanentError):
    """Somebody else has closed the door and relies on it."""


class DoorTooWideError(PermanentError):
    """The pods cannot be told from the others of their namespace."""


class DoorNotClosedError(TemporaryError):
    """A Service still has addresses."""


class DoorReopenedError(PermanentError):
    """Somebody opened the door while it had to be closed."""


@dataclass(frozen=True)
class DoorPlan:
    """What closing a workload's door closes, and what it cannot close."""

    services: tuple[str, ...]
    """Services that lose their pods."""
    leaks: tuple[str, ...]
    """Ways to the pods that stay open, or that hang on something which the API does not show."""


@dataclass(frozen=True)
class ClosedDoor:
    """What was closed, or was found closed when it was opened."""

    services: tuple[str, ...]
    policy: str
    lock: str | None = None
    """Uid and owner of the network policy: another one means that the door was open in between, or
    that somebody else closed it too."""


class Door:
    """Closes and opens the ways to a set of pods in one cluster."""

    def __init__(self, api: KubeApi, *, poll: Poll) -> None:
        self.api = api
        self.poll = poll

    def plan(self, workload: Workload) -> DoorPlan:
        services, shared = self._services(workload.pods)
        leaks = [
            *(_shared(name, others) for name, others in shared.items()),
            *self._ways_around(workload),
            *self._allowing(workload.pods),
        ]
        if not services:
            leaks.append("no Service to close: the network policy alone closes the door")
        leaks.append(
            "connections that are open already: a network plugin may let them live on; "
            "a quiesce hook in the policy closes them for sure"
        )
        return DoorPlan(services=tuple(service_name(item) for item in services), leaks=tuple(leaks))

    def close(
        self, pods: PodSet, *, egress: bool, timeout: timedelta, owner: str | None = None
    ) -> ClosedDoor:
        """Close, and return when no Service has an address of the pods.

        A door that somebody opened in part gets a new lock, so that nobody takes it for the old.
        With an `owner`, a door that another one has closed is refused: two moves of one package
        would each believe that they hold it alone.
        """
        self._refuse_all_pods(pods)
        if owner is not None:
            self._refuse_taken(pods, owner=owner)
        found = self._services(pods)[0]
        if self.lock(pods) and _unlocked(found):
            self._remove_policy(pods)
        services = [service_name(item) for item in found]
        for name in services:
            self._patch_selector(pods.namespace, name, value=CLOSED)
        for name in services:
            self._wait_empty(pods, service=name, timeout=timeout)
        # Last: what was under way has ended with an answer.
        lock = self._deny(pods, egress=egress, owner=owner)
        return ClosedDoor(services=tuple(services), policy=policy_name(pods), lock=lock)

    def lock(self, pods: PodSet) -> str | None:
        """What `close` gave as the lock, while the door is closed; None once it is opened.

        The policy is created last and removed first.
        """
        policy = self._policy(pods)
        return None if policy is None else _lock(policy)

    def _refuse_all_pods(self, pods: PodSet) -> None:
        """Without labels a network policy would close the whole namespace."""
        if not selector_query(pods.label_selector):
            raise DoorTooWideError(
                "the pods have no label to close the door around them alone",
                where=self.api.where("door of", str(pods)),
                do="give the pods a label of their own",
            )

    def _refuse_taken(self, pods: PodSet, *, owner: str) -> None:
        policy = self._policy(pods)
        if policy is not None and annotation(policy, OWNER_ANNOTATION) != owner:
            raise DoorTakenError(
                "the door is closed by somebody else",
                where=self.api.where("door of", str(pods)),
                found=annotation(policy, OWNER_ANNOTATION) or f"no {OWNER_ANNOTATION}",
                do="let that run end, or clear its settle task; if it is gone, open the door by "
                f"deleting NetworkPolicy {policy_name(pods)}",
            )

    def _policy(self, pods: PodSet) -> Json | None:
        for item in self.api.items(_policies(pods.namespace)):
            if item["metadata"]["name"] == policy_name(pods):
                return item
        return None

    def confirm(self, pods: PodSet) -> None:
        """Raise if a lock is missing: nobody puts one back, so what is locked now always was."""
        missing = [f"Service {name}" for name in _unlocked(self._services(pods)[0])]
        if self.lock(pods) is None:
            missing.append(f"NetworkPolicy {policy_name(pods)}")
        if missing:
            raise DoorReopenedError(
                "the door did not stay closed, and work may have come in since",
                where=self.api.where("door of", str(pods)),
                found=f"unlocked: {', '.join(missing)}",
                do="keep the GitOps engine from reverting it (ignore the Service's selector), or "
                "give the package a quiesce hook; then start the move again",
            )

    def open(self, pods: PodSet, *, owner: str | None = None) -> ClosedDoor:
        """Remove both locks; what is open already stays so. With an `owner`, only its own."""
        if owner is not None:
            self._refuse_taken(pods, owner=owner)
        self._remove_policy(pods)
        closed = [item for item in self._selecting(pods) if DOOR_LABEL in item["spec"]["selector"]]
        for item in closed:
            self._patch_selector(pods.namespace, service_name(item), value=None)
        return ClosedDoor(
            services=tuple(service_name(item) for item in closed), policy=policy_name(pods)
        )

    def ensure_namespace(self, name: str) -> None:
        """A policy can only stand in a namespace that exists; the deployment brings it later."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        try:
            self.api.call("POST", "/api/v1/namespaces", body=body)
        except ConflictError:
            return

    def _selecting(self, pods: PodSet) -> Iterator[Json]:
        """Services that select the pods, or would if their door were open."""
        for item in self.api.items(f"{_core(pods.namespace)}/services"):
            selector = _own_selector(item)
            if selector and selects({"matchLabels": selector}, pods.labels):
                yield item

    def _services(self, pods: PodSet) -> tuple[list[Json], dict[str, list[str]]]:
        """Services of these pods alone; and by name those that serve the pods of others too."""
        own, shared = [], {}
        for item in self._selecting(pods):
            others = self._strangers(pods, selector=_own_selector(item))
            if others:
                shared[service_name(item)] = others
            else:
                own.append(item)
        return own, shared

    def _strangers(self, pods: PodSet, *, selector: dict[str, str]) -> list[str]:
        query = {"labelSelector": selector_query({"matchLabels": selector})}
        found = self.api.items(f"{_core(pods.namespace)}/pods", query=query)
        return [
            item["metadata"]["name"]
            for item in found
            if not selects(pods.label_selector, item["metadata"].get("labels") or {})
        ]

    def _patch_selector(self, namespace: str, service: str, *, value: str | None) -> None:
        self.api.call(
            "PATCH",
            f"{_core(namespace)}/services/{quote(service, safe='')}",
            body={"spec": {"selector": {DOOR_LABEL: value}}},
            content_type=MERGE_PATCH,
        )

    def _deny(self, pods: PodSet, *, egress: bool, owner: str | None) -> str:
        """Lock of the policy, which stays the same however often it is applied."""
        name = policy_name(pods)
        metadata: dict[str, object] = {"name": name, "namespace": pods.namespace}
        if owner is not None:
            metadata["annotations"] = {OWNER_ANNOTATION: owner}
        applied = self.api.call(
            "PATCH",
            f"{_policies(pods.namespace)}/{quote(name, safe='')}",
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            body={
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": metadata,
                "spec": {
                    "podSelector": pods.label_selector,
                    "policyTypes": ["Ingress", "Egress"] if egress else ["Ingress"],
                },
            },
            content_type=APPLY_PATCH,
        )
        return _lock(applied)

    def _remove_policy(self, pods: PodSet) -> None:
        path = f"{_policies(pods.namespace)}/{quote(policy_name(pods), safe='')}"
        try:
            self.api.call("DELETE", path)
        except ObjectNotFoundError:
            return  # nothing was closed, or it is open already

    def _wait_empty(self, pods: PodSet, *, service: str, timeout: timedelta) -> None:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{quote(pods.namespace, safe='')}"
        query = {"labelSelector": f"kubernetes.io/service-name={service}"}

        def empty() -> bool | None:
            slices = self.api.items(f"{path}/endpointslices", query=query)
            return None if any(item.get("endpoints") for item in slices) else True

        self.poll.until(
            empty,
            timeout=timeout,
            late=lambda: DoorNotClosedError(
                "the Service still has addresses",
                where=self.api.where("door of", str(pods)),
                found=f"Service {service}",
                do="check kube-controller-manager, and whether the GitOps engine puts the "
                "Service's selector back",
            ),
        )

    def _ways_around(self, workload: Workload) -> Iterator[str]:
        if workload.host_network:
            yield "hostNetwork: the pods share their node's address; no network policy covers it"
        for port in workload.host_ports:
            yield f"hostPort {port}: reaches the pod without a Service"
        for item in self._selecting(workload.pods):
            if item["spec"].get("type") == "LoadBalancer":
                yield (
                    f"Service {service_name(item)} is a LoadBalancer: it may hold connections "
                    "until its own draining time is over"
                )

    def _allowing(self, pods: PodSet) -> Iterator[str]:
        """Policies add up: what another one allows, a deny does not take back."""
        for item in self.api.items(_policies(pods.namespace)):
            name, spec = item["metadata"]["name"], item["spec"]
            allows = [way for way in ("ingress", "egress") if spec.get(way)]
            ours = name == policy_name(pods)
            if allows and not ours and selects(spec.get("podSelector") or {}, pods.labels):
                yield f"NetworkPolicy {name} allows {' and '.join(allows)}, also past the door"


def policy_name(pods: PodSet) -> str:
    """Name of the network policy that is the door's second lock."""
    return f"transition-door-{pods.workload}"


def _lock(policy: Json) -> str:
    owner = annotation(policy, OWNER_ANNOTATION)
    return f"{policy['metadata']['uid']} {owner or ''}".strip()


def service_name(item: Json) -> str:
    return str(item["metadata"]["name"])


def _unlocked(services: list[Json]) -> list[str]:
    return [service_name(item) for item in services if DOOR_LABEL not in item["spec"]["selector"]]


def _own_selector(service: Json) -> dict[str, str]:
    selector = service["spec"].get("selector") or {}
    return {key: value for key, value in selector.items() if key != DOOR_LABEL}


def _shared(service: str, others: list[str]) -> str:
    return (
        f"Service {service} serves other pods too ({', '.join(others[:3])}): it stays open, and "
        "the network policy alone closes the door"
    )


def _core(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace, safe='')}"


def _policies(namespace: str) -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{quote(namespace, safe='')}/networkpolicies"
