"""From checkpoint archives in S3 to images in the registry."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.checkpoint_images import CheckpointImages
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.pod_checkpoint import PodCheckpoint
from airflow_transition.core.restore_points import ContainerCheckpoint
from airflow_transition.links import ArchiveLink, ImageLink, PageLink, archive_url, image_url
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

if TYPE_CHECKING:
    from transition_wire.checkpoint_record import CheckpointRecord

    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook

_POLL_SECONDS = 0.1
"""A look costs a few milliseconds, and the door is closed meanwhile."""


class ArchiveNotUploadedError(PermanentError):
    """The node's agent has not uploaded an archive in the time given."""


class CheckpointToImageOperator(BaseOperator):
    """Make one image of each container's archive, streamed, and read each back.

    An image that is there already is found, not sent again.

    :param checkpoint: what PodCheckpointOperator returned.
    :param record_timeout: how long to wait for the agent's upload; a CheckpointRecordSensor before
        this task does it without holding a worker slot, but costs the time of one more task.
    """

    template_fields: Sequence[str] = ("checkpoint",)
    operator_extra_links = (PageLink(), ImageLink(), ArchiveLink())
    ui_color = "#d9e8f6"

    def __init__(
        self,
        *,
        checkpoint: TaskValue,
        record_timeout: timedelta = timedelta(0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.checkpoint = checkpoint
        self.record_timeout = record_timeout
        self.image_url: str | None = None
        self.archive_url: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        checkpoint = PodCheckpoint.model_validate(self.checkpoint)
        store = outside.store()
        deadline = time.monotonic() + self.record_timeout.total_seconds()
        containers, uploaded, seconds = [], [], 0.0
        for container, key in checkpoint.record_keys(prefix=store.prefix).items():
            record = _wait_record(store, key=key, deadline=deadline)
            began = time.monotonic()
            containers.append(self._image(record, container=container, key=key, store=store))
            seconds += time.monotonic() - began
            uploaded.append(record.uploaded)
        images = CheckpointImages(
            containers=tuple(containers),
            node=record.node,
            verified=datetime.now(UTC),
            uploaded=max(uploaded),
            seconds=round(seconds, 3),
        )
        return images.as_json()

    def _image(
        self, record: "CheckpointRecord", *, container: str, key: str, store: "CheckpointStoreHook"
    ) -> ContainerCheckpoint:
        began = time.monotonic()
        pushed = outside.registry().push_checkpoint_image(
            record=record, archive=store.open_archive(record)
        )
        seconds = time.monotonic() - began
        self.log.info(
            "%s: %d bytes, %d sent, %.2f s",
            pushed.reference,
            record.size_bytes,
            pushed.moved_bytes,
            seconds,
        )
        self.image_url = image_url(pushed.reference)
        self.archive_url = archive_url(record.bucket, key=record.stored.key)
        return ContainerCheckpoint(
            container=container,
            record_key=key,
            digest=record.digest,
            size_bytes=record.size_bytes,
            image=pushed.reference,
            base_image=record.base_image,
        )


def _wait_record(store: "CheckpointStoreHook", *, key: str, deadline: float) -> "CheckpointRecord":
    while (record := store.find_record(key)) is None:
        if time.monotonic() >= deadline:
            raise ArchiveNotUploadedError(
                "the archive's record is not there",
                where=f"s3://{store.bucket}/{key}",
                do="check that the agent runs on the pod's node and can write to the bucket",
            )
        time.sleep(_POLL_SECONDS)
    return record
