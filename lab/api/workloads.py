"""The controllers: from a workload to its pods, as kube-controller-manager does.

`reconcile` is one pass over the store; it changes at most what one pass can, and the store's own
change wakes the next one. Deployments roll or recreate, StatefulSets count, DaemonSets have one
pod on the one node. What has lost its owner is collected.
"""

from lab.api import deployments, names, pods
from lab.api.kinds import (
    DAEMON_SET,
    DEPLOYMENT,
    KINDS,
    NAMESPACE,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
    Object,
    labels_of,
    name_of,
    namespace_of,
    owner_of,
)
from lab.api.store import Store

_STATEFUL_HASH = "controller-revision-hash"


def reconcile(store: Store, *, node: str) -> None:
    """Bring the store one step nearer to what its workloads ask for."""
    _collect_orphans(store)
    for deployment in store.list(DEPLOYMENT):
        deployments.reconcile(store, deployment)
    for replica_set in store.list(REPLICA_SET):
        _replica_set(store, replica_set, node=node)
    for stateful_set in store.list(STATEFUL_SET):
        _stateful_set(store, stateful_set, node=node)
    for daemon_set in store.list(DAEMON_SET):
        _daemon_set(store, daemon_set, node=node)
    _schedule(store, node=node)


def _schedule(store: Store, *, node: str) -> None:
    """A bare pod comes without a node; there is only one to give it."""
    for pod in store.list(POD):
        if "nodeName" not in pod["spec"]:
            pod["spec"]["nodeName"] = node
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
                    pods.delete(store, thing)
                else:
                    store.remove(kind, thing)


def _replica_set(store: Store, replica_set: Object, *, node: str) -> None:
    active = [pod for pod in pods.owned(store, POD, replica_set) if pods.is_active(pod)]
    desired = replica_set["spec"]["replicas"]
    for _ in range(desired - len(active)):
        name = names.generated(f"{name_of(replica_set)}-")
        store.create(POD, pods.new_pod(REPLICA_SET, replica_set, name=name, node=node))
    # The unready go first: nobody is served by them.
    for pod in sorted(active, key=pods.is_ready)[: max(0, len(active) - desired)]:
        pods.delete(store, pod)
    mine = pods.owned(store, POD, replica_set)
    active = [pod for pod in mine if pods.is_active(pod)]
    ready = sum(pods.is_ready(pod) for pod in active)
    status = {
        "replicas": len(active),
        **pods.counts(
            fullyLabeledReplicas=len(active), readyReplicas=ready, availableReplicas=ready
        ),
        "terminatingReplicas": len(mine) - len(active),
        "observedGeneration": replica_set["metadata"].get("generation", 1),
    }
    store.change(REPLICA_SET, replica_set, by=lambda live: live.update(status=status))


def _stateful_set(store: Store, stateful_set: Object, *, node: str) -> None:
    revision = names.template_hash(stateful_set["spec"]["template"])
    mine = {name_of(pod): pod for pod in pods.owned(store, POD, stateful_set)}
    wanted = [
        f"{name_of(stateful_set)}-{ordinal}" for ordinal in range(stateful_set["spec"]["replicas"])
    ]
    settled = all(pods.is_active(pod) and pods.is_ready(pod) for pod in mine.values())
    missing = [name for name in wanted if name not in mine]
    surplus = [name for name in mine if name not in wanted]
    stale = [name for name, pod in mine.items() if labels_of(pod)[_STATEFUL_HASH] != revision]
    if surplus:
        pods.delete(store, mine[max(surplus, key=_ordinal)])
    elif stale:
        pods.delete(store, mine[max(stale, key=_ordinal)])
    elif missing and settled:
        pod = pods.new_pod(STATEFUL_SET, stateful_set, name=missing[0], node=node)
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
    ready = sum(pods.is_ready(pod) for pod in mine.values())
    status = {
        "observedGeneration": stateful_set["metadata"]["generation"],
        "replicas": len(mine),
        **pods.counts(
            readyReplicas=ready, currentReplicas=len(mine), updatedReplicas=len(mine) - len(stale)
        ),
        "currentRevision": f"{name_of(stateful_set)}-{revision}",
        "updateRevision": f"{name_of(stateful_set)}-{revision}",
        "availableReplicas": ready,
    }
    store.change(STATEFUL_SET, stateful_set, by=lambda live: live.update(status=status))


def _daemon_set(store: Store, daemon_set: Object, *, node: str) -> None:
    revision = names.template_hash(daemon_set["spec"]["template"])
    mine = pods.owned(store, POD, daemon_set)
    for pod in mine:
        if labels_of(pod)[_STATEFUL_HASH] != revision:
            pods.delete(store, pod)
    if not mine:
        name = names.generated(f"{name_of(daemon_set)}-")
        pod = pods.new_pod(DAEMON_SET, daemon_set, name=name, node=node)
        pod["metadata"]["labels"][_STATEFUL_HASH] = revision
        store.create(POD, pod)
    ready = sum(pods.is_ready(pod) for pod in mine)
    status = {
        "currentNumberScheduled": len(mine),
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 1,
        "numberReady": ready,
        "observedGeneration": daemon_set["metadata"]["generation"],
        **pods.counts(numberAvailable=ready, numberUnavailable=1 - ready),
    }
    store.change(DAEMON_SET, daemon_set, by=lambda live: live.update(status=status))


def _ordinal(name: str) -> int:
    return int(name.rpartition("-")[2])
