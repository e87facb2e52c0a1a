"""Wait until a package runs restored from its checkpoint images."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue

from airflow_transition import outside
from airflow_transition.core.checkpoint_images import CheckpointImages
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.engine_delivery import confirm
from airflow_transition.links import PageLink
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

_TIMEOUT = timedelta(minutes=5)
_SLOWEST_BYTES_PER_SECOND = 50_000_000
"""What pulling and restoring a large image is given on top, 20 s for each GB."""


class WorkloadRestoredSensor(BaseSensorOperator):
    """Wait until a pod asks for the images by digest, runs, is Ready and was never restarted.

    What waiting cannot cure, such as a runtime that does not restore, fails at once with its cure.
    Where the target has an engine, it has to call the package healthy too.

    It waits in the task: the door is closed meanwhile, and a deferral would cost about a second.

    :param package: which package in which cluster (`ClusterPackage`).
    :param images: what CheckpointToImageOperator returned.
    :param timeout: five minutes, and more the larger the images are.
    """

    template_fields: Sequence[str] = ("package", "images")
    operator_extra_links = (PageLink(),)
    ui_color = "#e6f1f2"

    def __init__(self, *, package: TaskValue, images: TaskValue, **kwargs: Any) -> None:
        super().__init__(**retrying({"timeout": _TIMEOUT, **kwargs}))
        self.package = package
        self.images = images

    def poke(self, context: Context) -> PokeReturnValue:
        """One look of the hook lasts until the pod is restored: it polls by itself, and faster."""
        package = ClusterPackage.model_validate(self.package)
        images = CheckpointImages.model_validate(self.images)
        larger = timedelta(seconds=images.size_bytes / _SLOWEST_BYTES_PER_SECOND)
        pod = outside.cluster(package).wait_restored(
            package.package,
            images=images.images,
            namespace=package.namespace,
            timeout=timedelta(seconds=self.timeout) + larger,
        )
        confirm([package])
        self.log.info("pod %s/%s runs restored on node %s", pod.namespace, pod.name, pod.node)
        return PokeReturnValue(is_done=True, xcom_value={"pod": pod.name, "node": pod.node})
