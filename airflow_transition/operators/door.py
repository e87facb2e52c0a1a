"""Close and open the door of a package: what it accepts behind a closed door cannot be lost."""

import dataclasses
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.door_record import DoorRecord
from airflow_transition.links import PageLink
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

if TYPE_CHECKING:
    from airflow_transition.core.policy_hooks import QuiesceHook
    from airflow_transition.hooks.cluster import ClusterHook
    from airflow_transition.hooks.quiesce import PodExec, PodRequest
    from airflow_transition.hooks.workloads import Workload


log = logging.getLogger(__name__)

THIS_RUN = "{{ ti.dag_id }}/{{ run_id }}"
"""Who closes a door: nobody else can open it, or close it and rely on it, meanwhile."""


class DoorCloseOperator(BaseOperator):
    """Let nothing reach a package any more: first its own quiesce hook, then the network.

    Repeatable: a door that this owner has closed stays closed, with the same lock; one that
    somebody else has closed is refused.

    :param package: which package in which cluster (`ClusterPackage`).
    :param closed_by: who relies on the closed door; its name stands in the cluster.
    """

    template_fields: Sequence[str] = ("package", "closed_by")
    operator_extra_links = (PageLink(),)
    ui_color = "#f3e2d0"

    def __init__(self, *, package: TaskValue, closed_by: str = THIS_RUN, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.package = package
        self.closed_by = closed_by

    def execute(self, context: Context) -> dict[str, Any]:
        package = ClusterPackage.model_validate(self.package)
        return close_door(package, owner=self.closed_by)


class DoorOpenOperator(BaseOperator):
    """Let a package serve again: the network first, then its own hook. Repeatable.

    :param package: which package in which cluster (`ClusterPackage`).
    :param closed_by: who closed the door; None opens it whoever did.
    """

    template_fields: Sequence[str] = ("package", "closed_by")
    operator_extra_links = (PageLink(),)
    ui_color = "#dff0d8"

    def __init__(
        self, *, package: TaskValue, closed_by: str | None = THIS_RUN, **kwargs: Any
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.package = package
        self.closed_by = closed_by

    def execute(self, context: Context) -> dict[str, Any]:
        package = ClusterPackage.model_validate(self.package)
        opened = open_door(outside.cluster(package), package=package, owner=self.closed_by)
        self.log.info("opened: %s", opened)
        return opened


def close_door(package: ClusterPackage, *, owner: str) -> dict[str, Any]:
    """Ask the package itself, then close the network; gives what was closed, and when."""
    hook = outside.cluster(package)
    workload = hook.find_workload(package.package, namespace=package.namespace)
    if package.quiesce:
        run_quiesce(hook, workload=workload, call=package.quiesce.close)
    closed = hook.close_door(workload.pods, owner=owner)
    log.info("closed: %s", closed)
    record = DoorRecord(**dataclasses.asdict(closed), closed=datetime.now(UTC))
    return record.model_dump(mode="json")


def open_door(hook: "ClusterHook", *, package: ClusterPackage, owner: str | None) -> dict[str, Any]:
    """Open the network, then ask the package itself; gives what was found closed."""
    workload = hook.find_workload(package.package, namespace=package.namespace)
    opened = hook.open_door(workload.pods, owner=owner)
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
