"""What a workload's kind and replicas say about whether its memory can be moved.

A StatefulSet has one pod template, so all its replicas start from one image: restored, each of them
would be the same process with the same memory, under another name. Kubernetes has no field for an
image per ordinal. An update with a partition starts each ordinal from another revision, but a pod
that dies later is made anew from the wrong one. So one live replica for each StatefulSet is what
can be promised; `spec.ordinals.start` lets several of them keep their numbers.
"""

from airflow_transition.core.manifests import WorkloadRef
from airflow_transition.core.manner import Manner

SPLIT = (
    "give each ordinal a StatefulSet and a package of its own: replicas 1, spec.ordinals.start as "
    "its number"
)


def why_not_restorable(workload: WorkloadRef, *, manner: Manner, cold: bool) -> str | None:
    """Why a package cannot be brought up elsewhere as the policy asks; None: it can.

    `cold`: it may start without its memory.
    """
    if workload.kind == "DaemonSet":
        return (
            "a DaemonSet cannot be moved: it runs on each node of its own cluster; deploy it from "
            "Git on every cluster that needs it"
        )
    if workload.kind == "Pod":
        return (
            "a bare pod moves by hand alone: fencing takes its manifest out of the lost cluster's "
            "repository, where the target's comes from; deploy it as a Deployment with one replica"
        )
    if manner is Manner.LIVE and has_many_memories(workload) and not cold:
        return (
            f"the {workload.replicas} replicas of a StatefulSet cannot be restored, each from its "
            f"own memory: {SPLIT}; failover.coldStart starts it without them"
        )
    return None


def has_many_memories(workload: WorkloadRef) -> bool:
    """Whether the replicas are distinct, so that one image cannot stand for them all."""
    return workload.kind == "StatefulSet" and (workload.replicas or 1) > 1
