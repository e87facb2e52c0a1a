"""The controllers: from a workload to its pods, as kube-controller-manager does.

`reconcile` is one pass over the store; it changes at most what one pass can, and the store's own
change wakes the next one. Deployments roll or recreate, StatefulSets count, DaemonSets have one
pod on the one node. What has lost its owner is collected.
"""

import copy
import math

from lab.api import defaults, names
from lab.api.kinds import (
    DAEMON_SET,
    DEPLOYMENT,
    KINDS,
    NAMESPACE,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
    Kind,
    Object,
    labels_of,
    name_of,
    namespace_of,
    owner_of,
)
from lab.api.store import Store, timestamp

REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_STATEFUL_HASH = "controller-revision-hash"


def reconcile(store: Store, *, node: str) -> None:
    """Bring the store one step nearer to what its workloads ask for."""
    _collect_orphans(store)
    for deployment in store.list(DEPLOYMENT):
        _deployment(store, deployment)
    for replica_set in store.list(REPLICA_SET):
        _replica_set(store, replica_set, node=node)
    for stateful_set in store.list(STATEFUL_SET):
        _stateful_set(store, stateful_set, node=node)
    for daemon_set in store.list(DAEMON_SET):
        _daemon_set(store, daemon_set, node=node)


def is_ready(pod: Object) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod.get("status", {}).get("conditions", ())
    )


def is_active(pod: Object) -> bool:
    return "deletionTimestamp" not in pod["metadata"]


def delete_pod(store: Store, pod: Object) -> None:
    """Mark a pod for the node, which ends its processes and then removes the object."""
    if is_active(pod):
        grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
        pod["metadata"] |= {
            "deletionTimestamp": timestamp(),
            "deletionGracePeriodSeconds": grace,
        }
        store.replace(POD, pod)


def _collect_orphans(store: Store) -> None:
    alive = store.uids()
    namespaces = {name_of(each) for each in store.each(NAMESPACE)}
    for kind in KINDS:
        for thing in store.list(kind):
            owner = owner_of(thing)
            lost = owner is not None and owner not in alive
            if lost or (kind.namespaced and namespace_of(thing) not in namespaces):
                if kind == POD:
                    delete_pod(store, thing)
                else:
                    store.remove(kind, thing)


def _owned(store: Store, kind: Kind, owner: Object) -> list[Object]:
    things = store.list(kind, namespace=namespace_of(owner))
    return [each for each in things if owner_of(each) == owner["metadata"]["uid"]]


def _deployment(store: Store, deployment: Object) -> None:
    sets = _owned(store, REPLICA_SET, deployment)
    template = deployment["spec"]["template"]
    wanted = names.template_hash(template)
    current = next((each for each in sets if labels_of(each).get(_HASH) == wanted), None)
    others = [each for each in sets if each is not current]
    if current is None:
        revisions = [int(each["metadata"]["annotations"][REVISION]) for each in sets]
        revision = max(revisions, default=0) + 1
        current = store.create(
            REPLICA_SET, _new_replica_set(deployment, digest=wanted, revision=revision)
        )
    _roll(store, deployment, current=current, others=others)
    status = _deployment_status(store, deployment, current=current)
    annotations = {REVISION: current["metadata"]["annotations"][REVISION]}

    def update(live: Object) -> None:
        live["metadata"]["annotations"] = live["metadata"].get("annotations", {}) | annotations
        live["status"] = status

    store.change(DEPLOYMENT, deployment, by=update)


def _new_replica_set(deployment: Object, *, digest: str, revision: int) -> Object:
    template = copy.deepcopy(deployment["spec"]["template"])
    labels = (template["metadata"].get("labels") or {}) | {_HASH: digest}
    template["metadata"]["labels"] = labels
    selector = copy.deepcopy(deployment["spec"]["selector"])
    selector["matchLabels"] = selector.get("matchLabels", {}) | {_HASH: digest}
    return {
        "metadata": {
            "name": f"{name_of(deployment)}-{digest}",
            "namespace": namespace_of(deployment),
            "labels": labels,
            "annotations": (deployment["metadata"].get("annotations") or {})
            | {REVISION: str(revision)},
            "ownerReferences": [_reference(DEPLOYMENT, deployment)],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
    }


def _roll(store: Store, deployment: Object, *, current: Object, others: list[Object]) -> None:
    """Move replicas from the old ReplicaSets to the current one, as far as the strategy allows."""
    spec = deployment["spec"]
    desired = spec["replicas"]
    pods_of_others = sum(len(_owned(store, POD, each)) for each in others)
    if spec["strategy"]["type"] == "Recreate":
        _scale(store, current, replicas=0 if pods_of_others else desired)
        for each in others:
            _scale(store, each, replicas=0)
        return
    rolling = spec["strategy"]["rollingUpdate"]
    surge = _share(rolling["maxSurge"], of=desired, up=True)
    unavailable = _share(rolling["maxUnavailable"], of=desired, up=False)
    room = desired + surge - sum(each["spec"]["replicas"] for each in others)
    _scale(store, current, replicas=max(0, min(desired, room)))
    ready = sum(is_ready(pod) for pod in _owned(store, POD, current))
    kept = max(0, desired - unavailable - ready)
    for each in others:
        replicas = min(each["spec"]["replicas"], kept)
        kept -= replicas
        _scale(store, each, replicas=replicas)


def _share(value: int | str, *, of: int, up: bool) -> int:
    if isinstance(value, int):
        return value
    exact = of * int(value.rstrip("%")) / 100
    return math.ceil(exact) if up else math.floor(exact)


def _scale(store: Store, replica_set: Object, *, replicas: int) -> None:
    def update(live: Object) -> None:
        live["spec"]["replicas"] = replicas

    store.change(REPLICA_SET, replica_set, by=update)


def _deployment_status(store: Store, deployment: Object, *, current: Object) -> Object:
    pods = [
        pod for each in _owned(store, REPLICA_SET, deployment) for pod in _owned(store, POD, each)
    ]
    active = [pod for pod in pods if is_active(pod)]
    ready = sum(is_ready(pod) for pod in active)
    updated = [pod for pod in active if owner_of(pod) == current["metadata"]["uid"]]
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        **_counts(replicas=len(active), updatedReplicas=len(updated)),
        **_counts(readyReplicas=ready, availableReplicas=ready),
        "terminatingReplicas": len(pods) - len(active),
        "conditions": _deployment_conditions(deployment, ready=ready, current=current),
    }


def _deployment_conditions(deployment: Object, *, ready: int, current: Object) -> list[Object]:
    desired = deployment["spec"]["replicas"]
    available = ready >= desired
    known = deployment.get("status", {}).get("conditions", ())
    conditions = [
        {
            "type": "Available",
            "status": str(available),
            "reason": "MinimumReplicas" + ("Available" if available else "Unavailable"),
            "message": f"Deployment {'has' if available else 'does not have'} minimum"
            " availability.",
        },
        {
            "type": "Progressing",
            "status": "True",
            "reason": "NewReplicaSetAvailable" if available else "ReplicaSetUpdated",
            "message": f'ReplicaSet "{name_of(current)}"'
            f" {'has successfully progressed' if available else 'is progressing'}.",
        },
    ]
    return [_dated(each, known=known) for each in conditions]


def _dated(condition: Object, *, known: object) -> Object:
    """Keep the times of a condition that has not changed."""
    before = known if isinstance(known, list) else []
    same = next((each for each in before if condition.items() <= each.items()), None)
    now = timestamp()
    times = {"lastUpdateTime": now, "lastTransitionTime": now}
    if same:
        times = {key: same[key] for key in times}
    head = {key: condition[key] for key in ("type", "status")}
    return head | times | {key: condition[key] for key in ("reason", "message")}


def _counts(**numbers: int) -> Object:
    """Counts that are left out when they are zero, as Go's `omitempty` does."""
    return {name: number for name, number in numbers.items() if number}


def _replica_set(store: Store, replica_set: Object, *, node: str) -> None:
    pods = _owned(store, POD, replica_set)
    active = [pod for pod in pods if is_active(pod)]
    desired = replica_set["spec"]["replicas"]
    for _ in range(desired - len(active)):
        name = names.generated(f"{name_of(replica_set)}-")
        store.create(POD, _new_pod(REPLICA_SET, replica_set, name=name, node=node))
    # The unready go first: nobody is served by them.
    surplus = len(active) - desired
    for pod in sorted(active, key=is_ready)[: max(0, surplus)]:
        delete_pod(store, pod)
    active = [pod for pod in _owned(store, POD, replica_set) if is_active(pod)]
    ready = sum(is_ready(pod) for pod in active)
    status = {
        "replicas": len(active),
        **_counts(fullyLabeledReplicas=len(active), readyReplicas=ready, availableReplicas=ready),
        "terminatingReplicas": len(pods) - len(active) if surplus <= 0 else surplus,
        "observedGeneration": replica_set["metadata"].get("generation", 1),
    }
    store.change(REPLICA_SET, replica_set, by=lambda live: live.update(status=status))


def _stateful_set(store: Store, stateful_set: Object, *, node: str) -> None:
    revision = names.template_hash(stateful_set["spec"]["template"])
    pods = {name_of(pod): pod for pod in _owned(store, POD, stateful_set)}
    wanted = [
        f"{name_of(stateful_set)}-{ordinal}" for ordinal in range(stateful_set["spec"]["replicas"])
    ]
    settled = all(is_active(pod) and is_ready(pod) for pod in pods.values())
    missing = [name for name in wanted if name not in pods]
    surplus = sorted(name for name in pods if name not in wanted)
    stale = [name for name, pod in pods.items() if labels_of(pod)[_STATEFUL_HASH] != revision]
    if surplus:
        delete_pod(store, pods[surplus[-1]])
    elif stale:
        delete_pod(store, pods[max(stale)])
    elif missing and settled:
        pod = _new_pod(STATEFUL_SET, stateful_set, name=missing[0], node=node)
        pod["metadata"]["labels"] |= {
            _STATEFUL_HASH: revision,
            "statefulset.kubernetes.io/pod-name": missing[0],
            "apps.kubernetes.io/pod-index": missing[0].rpartition("-")[2],
        }
        pod["spec"] |= {
            "hostname": missing[0],
            "subdomain": stateful_set["spec"].get("serviceName", ""),
        }
        store.create(POD, pod)
    ready = sum(is_ready(pod) for pod in pods.values())
    status = {
        "observedGeneration": stateful_set["metadata"]["generation"],
        "replicas": len(pods),
        **_counts(
            readyReplicas=ready, currentReplicas=len(pods), updatedReplicas=len(pods) - len(stale)
        ),
        "currentRevision": f"{name_of(stateful_set)}-{revision}",
        "updateRevision": f"{name_of(stateful_set)}-{revision}",
        "availableReplicas": ready,
    }
    store.change(STATEFUL_SET, stateful_set, by=lambda live: live.update(status=status))


def _daemon_set(store: Store, daemon_set: Object, *, node: str) -> None:
    revision = names.template_hash(daemon_set["spec"]["template"])
    pods = _owned(store, POD, daemon_set)
    for pod in pods:
        if labels_of(pod)[_STATEFUL_HASH] != revision:
            delete_pod(store, pod)
    if not pods:
        name = names.generated(f"{name_of(daemon_set)}-")
        pod = _new_pod(DAEMON_SET, daemon_set, name=name, node=node)
        pod["metadata"]["labels"][_STATEFUL_HASH] = revision
        store.create(POD, pod)
    ready = sum(is_ready(pod) for pod in pods)
    status = {
        "currentNumberScheduled": len(pods),
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 1,
        "numberReady": ready,
        "observedGeneration": daemon_set["metadata"]["generation"],
        **_counts(numberAvailable=ready, numberUnavailable=1 - ready),
    }
    store.change(DAEMON_SET, daemon_set, by=lambda live: live.update(status=status))


def _new_pod(kind: Kind, owner: Object, *, name: str, node: str) -> Object:
    template = copy.deepcopy(owner["spec"]["template"])
    metadata: Object = {"name": name}
    if kind != STATEFUL_SET:
        metadata["generateName"] = f"{name_of(owner)}-"
    metadata |= {
        "namespace": namespace_of(owner),
        "labels": template["metadata"].get("labels") or {},
        **{key: value for key, value in template["metadata"].items() if key == "annotations"},
        "ownerReferences": [_reference(kind, owner)],
    }
    spec = template["spec"]
    defaults.pod_spec(spec)
    spec |= {
        "serviceAccountName": spec.get("serviceAccountName", "default"),
        "nodeName": node,
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    return {
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def _reference(kind: Kind, owner: Object) -> Object:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "name": name_of(owner),
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
