"""Pods from a controller's side: made from a template, counted, deleted."""

import copy

from lab.api import defaults
from lab.api.kinds import POD, STATEFUL_SET, Kind, Object, name_of, namespace_of, owner_of
from lab.api.store import Store, timestamp


def is_ready(pod: Object) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod.get("status", {}).get("conditions", ())
    )


def is_active(pod: Object) -> bool:
    return "deletionTimestamp" not in pod["metadata"]


def delete(store: Store, pod: Object) -> None:
    """Mark a pod for the node, which ends its processes and then removes the object."""
    if is_active(pod):
        grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
        pod["metadata"] |= {
            "deletionTimestamp": timestamp(),
            "deletionGracePeriodSeconds": grace,
        }
        store.replace(POD, pod)


def owned(store: Store, kind: Kind, owner: Object) -> list[Object]:
    things = store.list(kind, namespace=namespace_of(owner))
    return [each for each in things if owner_of(each) == owner["metadata"]["uid"]]


def counts(**numbers: int) -> Object:
    """Counts that are left out when they are zero, as Go's `omitempty` does."""
    return {name: number for name, number in numbers.items() if number}


def new_pod(kind: Kind, owner: Object, *, name: str, node: str) -> Object:
    template = copy.deepcopy(owner["spec"]["template"])
    metadata: Object = {"name": name}
    if kind != STATEFUL_SET:
        metadata["generateName"] = f"{name_of(owner)}-"
    metadata |= {
        "namespace": namespace_of(owner),
        "labels": template["metadata"].get("labels") or {},
        **{key: value for key, value in template["metadata"].items() if key == "annotations"},
        "ownerReferences": [reference(kind, owner)],
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


def reference(kind: Kind, owner: Object) -> Object:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "name": name_of(owner),
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
