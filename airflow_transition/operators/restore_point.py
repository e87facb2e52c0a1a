"""Keep what was checkpointed as a restore point."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.checkpoint_images import CheckpointImages, restore_point_of
from airflow_transition.core.pod_checkpoint import PodCheckpoint
from airflow_transition.links import PageLink, restore_point_page
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue


class RestorePointRecordOperator(BaseOperator):
    """Write the restore point into the checkpoint store; writing it again changes nothing.

    :param policy: name of the policy that asked for it.
    :param checkpoint: what PodCheckpointOperator returned.
    :param images: what CheckpointToImageOperator returned.
    """

    template_fields: Sequence[str] = ("policy", "checkpoint", "images")
    operator_extra_links = (PageLink(),)
    ui_color = "#e8e0f2"

    def __init__(
        self,
        *,
        policy: str,
        checkpoint: TaskValue,
        images: TaskValue,
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy
        self.checkpoint = checkpoint
        self.images = images
        self.page: str | None = None

    def execute(self, context: Context) -> dict[str, str]:
        point = restore_point_of(
            PodCheckpoint.model_validate(self.checkpoint),
            images=CheckpointImages.model_validate(self.images),
            policy=self.policy,
        )
        key = outside.store().put_restore_point(point)
        self.page = restore_point_page(point.id)
        self.log.info("restore point %s", point.id)
        return {"id": point.id, "key": key, "created": point.created.isoformat()}
