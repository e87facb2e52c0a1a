"""Keep what was checkpointed as a restore point."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.catalogue import Told, ToldPoint, ToldPolicy
from airflow_transition.core.checkpoint_images import CheckpointImages, restore_point_of
from airflow_transition.core.pod_checkpoint import PodCheckpoint
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.core.told_policy import told_policy
from airflow_transition.links import PageLink, restore_point_page
from airflow_transition.operators.measuring import measure_point
from airflow_transition.operators.telling import tell
from airflow_transition.restore_point_asset import tell_followers
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue


class RestorePointRecordOperator(BaseOperator):
    """Write the restore point into the checkpoint store; writing it again changes nothing.

    :param policy: name of the policy that asked for it.
    :param checkpoint: what PodCheckpointOperator returned.
    :param images: what CheckpointToImageOperator returned.
    :param definition: the policy itself, for the catalogue; None: it is not told of it.
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
        definition: ClusterPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy
        self.checkpoint = checkpoint
        self.images = images
        self.page: str | None = None
        self.definition = definition

    def execute(self, context: Context) -> dict[str, str]:
        point = restore_point_of(
            PodCheckpoint.model_validate(self.checkpoint),
            images=CheckpointImages.model_validate(self.images),
            policy=self.policy,
        )
        key = outside.store().put_restore_point(point)
        self.page = restore_point_page(point.id)
        self.log.info("restore point %s", point.id)
        tell_followers(context, point=point, key=key)
        measure_point(point)
        tell(lambda: self._told(point))
        return {"id": point.id, "key": key, "created": point.created.isoformat()}

    def _told(self, point: RestorePoint) -> Told:
        """The restore point with its node, and what its policy promises of its package."""
        policies: tuple[ToldPolicy, ...] = ()
        if self.definition is not None:
            packages = self.definition.spec.package_selectors
            ours = tuple(one for one in packages if one.name == point.package)
            policies = (told_policy(self.definition, now=datetime.now(UTC), packages=ours),)
        return Told(policies=policies, facts=(point.node,), points=(ToldPoint(point=point),))
