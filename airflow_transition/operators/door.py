"""Close and open the door of a package: what it accepts behind a closed door cannot be lost."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.door_record import DoorRecord
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

if TYPE_CHECKING:
    from airflow_transition.core.policy import QuiesceHook
    from airflow_transition.hooks.cluster import ClusterHook
    from airflow_transition.hooks.quiesce import PodExec, PodRequest
    from airflow_transition.hooks.workloads import Workload


class DoorCloseOperator(BaseOperator):
    """Let nothing reach a package any more: first its own quiesce hook, then the network.

    Repeatable: a door that is closed stays closed, with the same lock.

    :param package: which package in which cluster (`ClusterPackage`).
    """

    template_fields: Sequence[str] = ("package",)
    ui_color = "#f3e2d0"

    def __init__(self, *, package: TaskValue, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.package = package

    def execute(self, context: Context) -> dict[str, Any]:
        package = ClusterPackage.model_validate(self.package)
        hook = outside.cluster(package)
        workload = hook.find_workload(package.package, namespace=package.namespace)
        if package.quiesce:
            run_quiesce(hook, workload=workload, call=package.quiesce.close)
        closed = hook.close_door(workload.pods)
        self.log.info("closed: %s", closed)
        record = DoorRecord(**dataclasses.asdict(closed), closed=datetime.now(UTC))
        return record.model_dump(mode="json")


class DoorOpenOperator(BaseOperator):
    """Let a package serve again: the network first, then its own hook. Repeatable.

    :param package: which package in which cluster (`ClusterPackage`).
    """

    template_fields: Sequence[str] = ("package",)
    ui_color = "#dff0d8"

    def __init__(self, *, package: TaskValue, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.package = package

    def execute(self, context: Context) -> dict[str, Any]:
        package = ClusterPackage.model_validate(self.package)
        opened = open_door(outside.cluster(package), package=package)
        self.log.info("opened: %s", opened)
        return opened


def open_door(hook: "ClusterHook", *, package: ClusterPackage) -> dict[str, Any]:
    """Open the network, then ask the package itself; gives what was found closed."""
    workload = hook.find_workload(package.package, namespace=package.namespace)
    opened = hook.open_door(workload.pods)
    if package.quiesce:
        run_quiesce(hook, workload=workload, call=package.quiesce.open)
    return dataclasses.asdict(opened)


def run_quiesce(hook: "ClusterHook", *, workload: "Workload", call: "QuiesceHook") -> None:
    """Call the package's own hook in the pod that is moved."""
    pod, _ = hook.find_pod(workload)
    hook.run_hook(pod, pod_call(call))


def pod_call(call: "QuiesceHook") -> "PodExec | PodRequest":
    """A policy's quiesce hook as the cluster hook takes it."""
    from airflow_transition.hooks.quiesce import PodExec, PodRequest  # noqa: PLC0415 - heavy

    if call.exec:
        return PodExec(call.exec.container, call.exec.command, call.exec.timeout)
    if call.http:
        return PodRequest(call.http.port, call.http.path, call.http.method, call.http.timeout)
    raise ValueError("a quiesce hook is a command or a request")
