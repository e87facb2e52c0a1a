"""Copies that run apart from everything, to be looked at and removed: their objects, pure.

A copy must never be taken for its package. It runs in a namespace of its own, as a bare pod without
the package's labels and annotations: no Service, no discovery, no fence and no lease of the package
finds it. It is given nothing that the package has outside of its memory: volumes are empty, and
host networks, privileges and hooks are refused or left out. A network policy denies everything, and
names resolve to nothing, which holds also where no network plugin enforces policies.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_transition.core.errors import PermanentError

Json = dict[str, Any]

CANARY_NAMESPACE = "transition-canary"
TEST_NAMESPACE = "transition-test-restore"
"""The shipped role may remove namespaces of these names and no others."""

ISOLATED_LABEL = "transition.dcnlab.ssu.ac.kr/isolated"
HELD_BY = "transition.dcnlab.ssu.ac.kr/held-by"
HELD_UNTIL = "transition.dcnlab.ssu.ac.kr/held-until"

CANARY = "canary"
"""Its container, and its pod before the checkpoint."""
CANARY_COPY = "canary-restored"
COPY = "restored"
MEMORY = "TRANSITION_CANARY"
"""A variable of the first canary's process alone: who has it in memory was restored."""

_SHARED_WITH_HOST = ("hostNetwork", "hostPID", "hostIPC")
_KEPT_OF_CONTAINER = ("name", "ports", "resources", "readinessProbe", "tty", "stdin", "workingDir")
_KEPT_OF_POD = ("securityContext", "tolerations", "runtimeClassName", "shareProcessNamespace")
SMALL = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}}
UNPRIVILEGED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


class NotIsolableError(PermanentError):
    """The package's pod shares something with its node, which no namespace takes from it."""


def namespace_of(name: str, *, by: str, until: datetime) -> Json:
    """Says who holds it, and until when: what a killed worker left behind may be taken then."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {ISOLATED_LABEL: "true"},
            "annotations": {HELD_BY: by, HELD_UNTIL: until.isoformat()},
        },
    }


def deny_everything(namespace: str) -> Json:
    """For every pod of the namespace, both ways."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny-everything", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


def canary_pod(*, image: str, node: str, memory: str, limit: timedelta) -> Json:
    """A process that does nothing and has `memory` in its own."""
    container = {
        "name": CANARY,
        "image": image,
        "command": ["sleep", "100000"],
        "env": [{"name": MEMORY, "value": memory}],
        "resources": SMALL,
        "securityContext": UNPRIVILEGED,
    }
    return _pod(CANARY, {"nodeName": node, "containers": [container]}, limit=limit)


def canary_copy(*, image: str, node: str, limit: timedelta) -> Json:
    """Without a command and without the variable: only a restore makes it run, and know it."""
    container = {
        "name": CANARY,
        "image": image,
        "resources": SMALL,
        "securityContext": UNPRIVILEGED,
    }
    return _pod(CANARY_COPY, {"nodeName": node, "containers": [container]}, limit=limit)


def asks_memory(memory: str) -> tuple[str, ...]:
    """A command that succeeds where the first process of its container has `memory`."""
    script = f'case "$(cat /proc/1/environ)" in *{MEMORY}={memory}*) exit 0;; esac; exit 1'
    return ("sh", "-c", script)


def isolated_copy(
    template: Mapping[str, Any],
    *,
    images: Mapping[str, str],
    nodes: Collection[str],
    limit: timedelta,
) -> Json:
    """A pod like those of `template`, from checkpoint images, on one of `nodes`.

    Commands and variables are left out: a restored process has its own, and without them nothing
    can start that was not restored.
    """
    spec = template["spec"]
    _refuse_shared(spec)
    containers = [
        _container(each, image=images[each["name"]])
        for each in spec["containers"]
        if each["name"] in images
    ]
    missing = sorted(set(images) - {each["name"] for each in containers})
    if missing:
        raise NotIsolableError(
            "the workload no longer has a container of the restore point",
            where=f"container {', '.join(missing)}",
            found=", ".join(each["name"] for each in containers) or "none",
            do="make a restore point of the workload as it is now",
        )
    mounted = sorted({mount["name"] for each in containers for mount in each["volumeMounts"]})
    pod_spec = {
        **{key: spec[key] for key in _KEPT_OF_POD if key in spec},
        "containers": containers,
        "volumes": [{"name": name, "emptyDir": {}} for name in mounted],
        "affinity": {"nodeAffinity": _only_on(nodes)},
    }
    if spec.get("automountServiceAccountToken") is False:
        pod_spec["automountServiceAccountToken"] = False
    return _pod(COPY, pod_spec, limit=limit)


def _pod(name: str, spec: Json, *, limit: timedelta) -> Json:
    """Ends by itself after `limit`, whatever becomes of whoever looks after it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {ISOLATED_LABEL: "true"}},
        "spec": {
            **spec,
            "activeDeadlineSeconds": max(1, int(limit.total_seconds())),
            "terminationGracePeriodSeconds": 1,
            "enableServiceLinks": False,
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": ["127.0.0.1"]},
        },
    }


def _container(found: Json, *, image: str) -> Json:
    kept = {key: found[key] for key in _KEPT_OF_CONTAINER if key in found}
    if "ports" in kept:
        kept["ports"] = [
            {key: value for key, value in port.items() if key not in ("hostPort", "hostIP")}
            for port in kept["ports"]
        ]
    if "securityContext" in found:
        kept["securityContext"] = found["securityContext"]
    return {**kept, "image": image, "volumeMounts": found.get("volumeMounts") or []}


def _refuse_shared(spec: Json) -> None:
    shared = [*_shared(spec)]
    if shared:
        raise NotIsolableError(
            "the package's pod cannot run apart from its node",
            where=", ".join(shared),
            do="test such a package by a planned move; leave it out of test restores",
        )


def _shared(spec: Json) -> Iterator[str]:
    yield from (name for name in _SHARED_WITH_HOST if spec.get(name))
    for container in spec["containers"]:
        if (container.get("securityContext") or {}).get("privileged"):
            yield f"container {container['name']} is privileged"


def _only_on(nodes: Collection[str]) -> Json:
    """By the node's own name, which no label can pretend; a field takes one value in each term."""
    terms = [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        for node in sorted(nodes)
    ]
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
