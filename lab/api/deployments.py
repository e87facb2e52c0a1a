"""The deployment controller: ReplicaSets for each template, rolled over or recreated."""

import copy
import math

from lab.api import names
from lab.api.kinds import (
    DEPLOYMENT,
    POD,
    REPLICA_SET,
    Object,
    labels_of,
    name_of,
    namespace_of,
    owner_of,
)
from lab.api.pods import counts, is_active, is_ready, owned, reference
from lab.api.store import Store, timestamp

REVISION = "deployment.kubernetes.io/revision"
_DESIRED = "deployment.kubernetes.io/desired-replicas"
_MOST = "deployment.kubernetes.io/max-replicas"
_HASH = "pod-template-hash"


def reconcile(store: Store, deployment: Object) -> None:
    sets = owned(store, REPLICA_SET, deployment)
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
            "ownerReferences": [reference(DEPLOYMENT, deployment)],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
    }


def _roll(store: Store, deployment: Object, *, current: Object, others: list[Object]) -> None:
    """Move replicas from the old ReplicaSets to the current one, as far as the strategy allows."""
    spec = deployment["spec"]
    desired = spec["replicas"]
    pods_of_others = sum(len(owned(store, POD, each)) for each in others)
    if spec["strategy"]["type"] == "Recreate":
        replicas = 0 if pods_of_others else desired
        _scale(store, current, replicas=replicas, of=desired, most=desired)
        for each in others:
            _scale(store, each, replicas=0, of=desired, most=desired)
        return
    rolling = spec["strategy"]["rollingUpdate"]
    surge = _share(rolling["maxSurge"], of=desired, up=True)
    unavailable = _share(rolling["maxUnavailable"], of=desired, up=False)
    most = desired + surge
    room = most - sum(each["spec"]["replicas"] for each in others)
    _scale(store, current, replicas=max(0, min(desired, room)), of=desired, most=most)
    ready = sum(is_ready(pod) for pod in owned(store, POD, current))
    kept = max(0, desired - unavailable - ready)
    for each in others:
        replicas = min(each["spec"]["replicas"], kept)
        kept -= replicas
        _scale(store, each, replicas=replicas, of=desired, most=most)


def _share(value: int | str, *, of: int, up: bool) -> int:
    if isinstance(value, int):
        return value
    exact = of * int(value.rstrip("%")) / 100
    return math.ceil(exact) if up else math.floor(exact)


def _scale(store: Store, replica_set: Object, *, replicas: int, of: int, most: int) -> None:
    def update(live: Object) -> None:
        live["spec"]["replicas"] = replicas
        live["metadata"]["annotations"] |= {_DESIRED: str(of), _MOST: str(most)}

    store.change(REPLICA_SET, replica_set, by=update)


def _deployment_status(store: Store, deployment: Object, *, current: Object) -> Object:
    pods = [
        pod for each in owned(store, REPLICA_SET, deployment) for pod in owned(store, POD, each)
    ]
    active = [pod for pod in pods if is_active(pod)]
    ready = sum(is_ready(pod) for pod in active)
    updated = [pod for pod in active if owner_of(pod) == current["metadata"]["uid"]]
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        **counts(replicas=len(active), updatedReplicas=len(updated)),
        **counts(readyReplicas=ready, availableReplicas=ready),
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
