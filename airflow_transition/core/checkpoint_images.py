"""The images made from one pod's archives, on their way from task to task."""

from collections.abc import Iterator
from typing import Any

from pydantic import AwareDatetime, Field
from transition_wire.model import WireModel
from transition_wire.node_facts import NodeFacts

from airflow_transition.core.pod_checkpoint import PodCheckpoint
from airflow_transition.core.restore_points import ContainerCheckpoint, RestorePoint


class CheckpointImages(WireModel):
    """One image for each container, read back from the registry at `verified`."""

    containers: tuple[ContainerCheckpoint, ...] = Field(min_length=1)
    node: NodeFacts
    """Of the node on which the processes ran, from the checkpoint records."""
    verified: AwareDatetime
    uploaded: AwareDatetime | None = None
    """When the last archive was complete in S3."""
    seconds: float = 0
    """How long making and checking the images took together."""

    @property
    def images(self) -> dict[str, str]:
        """Container to image by digest."""
        return {container.container: container.image for container in self.containers}

    @property
    def size_bytes(self) -> int:
        return sum(container.size_bytes for container in self.containers)

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def restore_point_of(
    checkpoint: PodCheckpoint, *, images: CheckpointImages, policy: str
) -> RestorePoint:
    """What can be restored as a whole: the pod's checkpoint with its verified images."""
    return RestorePoint(
        policy=policy,
        package=checkpoint.package,
        cluster=checkpoint.cluster,
        namespace=checkpoint.namespace,
        workload_kind=checkpoint.workload_kind,
        workload=checkpoint.workload,
        pod=checkpoint.pod,
        created=checkpoint.created,
        containers=images.containers,
        node=images.node,
        verified=images.verified,
        seconds=dict(_seconds(checkpoint, images=images)),
    )


def _seconds(checkpoint: PodCheckpoint, *, images: CheckpointImages) -> Iterator[tuple[str, float]]:
    """Step to how long it took; uploading begins when the dumps are written."""
    yield "checkpoint", checkpoint.seconds
    if images.uploaded is not None:
        since = (images.uploaded - checkpoint.created).total_seconds() - checkpoint.seconds
        yield "upload", round(max(0.0, since), 3)
    yield "image", images.seconds
