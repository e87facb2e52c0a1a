"""Call a package's own hooks around a checkpoint: the one after it always, whatever happened."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.errors import TransitionError
from airflow_transition.links import PageLink
from airflow_transition.operators.door import pod_call
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

if TYPE_CHECKING:
    from airflow_transition.core.policy_hooks import CheckpointHooks, QuiesceHook
    from airflow_transition.hooks.cluster import ClusterHook
    from airflow_transition.hooks.workloads import Pod

log = logging.getLogger(__name__)

HOOKED = "hooked"
"""XCom key set before the first hook: the pod that has to hear the last one."""


@contextmanager
def called_around(
    hook: "ClusterHook", *, pod: "Pod", hooks: "CheckpointHooks | None"
) -> Iterator[None]:
    """Call `before`, and `after` whatever happens between; the first failure is the one raised."""
    if hooks is None:
        yield
        return
    try:
        if hooks.before:
            _call(hook, pod=pod, call=hooks.before, name="before")
        yield
    except BaseException as failure:  # a time limit and a stopped task as well
        _call_after_failure(hook, pod=pod, hooks=hooks, failure=failure)
        raise
    if hooks.after:
        _call(hook, pod=pod, call=hooks.after, name="after")


def _call_after_failure(
    hook: "ClusterHook", *, pod: "Pod", hooks: "CheckpointHooks", failure: BaseException
) -> None:
    if hooks.after is None:
        return
    try:
        _call(hook, pod=pod, call=hooks.after, name="after")
    except TransitionError as error:
        log.error("the hook after the checkpoint failed too: %s", error)  # noqa: TRY400 - complete
        failure.add_note(f"the hook after the checkpoint failed too: {error}")


def _call(hook: "ClusterHook", *, pod: "Pod", call: "QuiesceHook", name: str) -> None:
    hook.run_hook(pod, pod_call(call))
    log.info("the hook %s the checkpoint ended well in pod %s/%s", name, pod.namespace, pod.name)


class CheckpointAfterOperator(BaseOperator):
    """The teardown of a checkpoint with hooks: a worker that died cannot call the last one itself.

    Where the checkpoint's task ended well it has called it, and nothing is to be done.

    :param package: which package (`ClusterPackage`), with its hooks.
    :param checkpoint_task: id of the PodCheckpointOperator's task.
    """

    template_fields: Sequence[str] = ("package",)
    operator_extra_links = (PageLink(),)
    ui_color = "#dff0d8"

    def __init__(self, *, package: TaskValue, checkpoint_task: str, **kwargs: Any) -> None:
        super().__init__(**retrying({"retries": 10, **kwargs}))
        self.package = package
        self.checkpoint_task = checkpoint_task

    def execute(self, context: Context) -> None:
        ti, run_id = context["ti"], str(context["run_id"])
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
        hooked = ti.xcom_pull(task_ids=self.checkpoint_task, key=HOOKED)
        if states.get(self.checkpoint_task) == "success" or not hooked:
            raise AirflowSkipException("the checkpoint's own task has called it, or nothing was")
        package = ClusterPackage.model_validate(self.package)
        hooks = package.checkpoint_hooks
        if hooks is None or hooks.after is None:
            raise AirflowSkipException("the package has no hook after its checkpoint")
        package = package.model_copy(update={"cluster": hooked["cluster"]})
        hook = outside.cluster(package)
        workload = hook.find_workload(package.package, namespace=hooked["namespace"])
        for pod in hook.pods(workload):
            if pod.uid == hooked["uid"] and pod.running:
                _call(hook, pod=pod, call=hooks.after, name="after")
                return
        self.log.info("pod %s is gone: nobody is left to be told", hooked["pod"])


def hooked_pod(pod: "Pod", *, cluster: str) -> dict[str, str]:
    """What the teardown has to know of the pod."""
    return {"cluster": cluster, "namespace": pod.namespace, "pod": pod.name, "uid": pod.uid}
