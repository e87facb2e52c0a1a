"""Stage the images of a restore point on the nodes that would restore it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.staging import staging_pod
from airflow_transition.operators.restore_place import restore_place
from airflow_transition.retry_policy import retrying
from airflow_transition.settings import read_settings
from airflow_transition.task_values import TaskValue

_TIMEOUT = timedelta(minutes=10)
_SLOWEST_BYTES_PER_SECOND = 50_000_000


class StageImagesOperator(BaseOperator):
    """Have the nodes of the best target fetch the images, and start nothing.

    What was staged for the package before is let go once the new images are there. A cluster that
    is no longer the best target keeps what it has until it is the best again.

    :param policy: the policy whose package it is.
    :param restore_point: what RestorePointRecordOperator returned.
    """

    template_fields: Sequence[str] = ("restore_point",)
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        policy: ClusterPolicy,
        restore_point: TaskValue,
        stage_timeout: timedelta = _TIMEOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy
        self.restore_point = restore_point
        self.stage_timeout = stage_timeout

    def execute(self, context: Context) -> dict[str, Any]:
        recorded: Mapping[str, Any] = self.restore_point  # type: ignore[assignment]
        point = outside.store().get_restore_point(str(recorded["id"]))
        chosen = restore_place(self.policy, point)
        pods = [
            staging_pod(
                policy=self.policy.name,
                package=point.package,
                node=node,
                images=point.images,
                sleeper=read_settings().canary_image,
            )
            for node in chosen.nodes
        ]
        size = sum(one.size_bytes for one in point.containers)
        larger = timedelta(seconds=size / _SLOWEST_BYTES_PER_SECOND)
        staging = outside.cluster_named(chosen.cluster).staging()
        staging.put(pods)
        staging.wait(pods, timeout=self.stage_timeout + larger)
        names = [str(pod["metadata"]["name"]) for pod in pods]
        staging.keep_only(names, policy=self.policy.name, package=point.package)
        self.log.info("%s is staged on %s: %s", point.id, chosen.cluster, ", ".join(chosen.nodes))
        return {"cluster": chosen.cluster, "nodes": list(chosen.nodes), "pods": names}
