"""Whether a workload that started anew is up, and if not, what it waits for.

Nothing fails at once here: a container that is started again, or an image that is pulled a second
time, can still become good. What stays so is named when the time is over.
"""

from collections.abc import Sequence

from airflow_transition.hooks.restored import Pending
from airflow_transition.hooks.workloads import Pod, Workload

_SHOWN = 3


def judge_ready(workload: Workload, pods: Sequence[Pod]) -> Pod | Pending:
    """A pod of the workload once all its replicas are Ready, or what is still missing."""
    alive = [pod for pod in pods if not pod.deleting and not pod.finished and pod.current]
    up = [pod for pod in alive if pod.running and pod.ready]
    if workload.replicas > 0 and len(up) >= workload.replicas:
        return up[0]
    waiting = [_why(pod) for pod in alive if pod not in up]
    text = f"{len(up)} of {workload.replicas} replicas are Ready"
    return Pending("; ".join([text, *waiting[:_SHOWN]]))


def _why(pod: Pod) -> str:
    if pod.unscheduled:
        return f"pod {pod.name} has no node: {pod.unscheduled}"
    states = [
        f"{one.name} {one.reason} {one.message}".strip() for one in pod.containers if one.reason
    ]
    return f"pod {pod.name}: {', '.join(states) or 'not Ready'}"
