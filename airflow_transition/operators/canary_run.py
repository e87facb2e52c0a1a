"""Really checkpoint and restore a tiny pod on a node, and leave nothing of it behind."""

import logging
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.canary import CanaryResult
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.errors import PermanentError, TemporaryError, TransitionError
from airflow_transition.core.isolation import (
    CANARY,
    CANARY_COPY,
    CANARY_NAMESPACE,
    asks_memory,
    canary_copy,
    canary_pod,
)
from airflow_transition.core.remains import WorkloadPlace
from airflow_transition.settings import read_settings

if TYPE_CHECKING:
    from transition_wire.checkpoint_record import CheckpointRecord

    from airflow_transition.hooks.cluster import ClusterHook
    from airflow_transition.hooks.isolation import Isolation
    from airflow_transition.hooks.workloads import Pod

log = logging.getLogger(__name__)

LIMIT = timedelta(minutes=5)
"""For each of its steps: pulling the image, the agent's upload, the restore."""
_ASKING = timedelta(seconds=30)


class NoNodeError(PermanentError):
    """There is no node to try."""


class NotUploadedError(PermanentError):
    """The node's agent did not upload the canary's archive."""


class MemoryLostError(PermanentError):
    """The copy runs, and does not have the memory of the process that was checkpointed."""


@dataclass(frozen=True)
class CanaryRun:
    """Canaries on the nodes of one cluster, one after the other.

    :param by: who holds the namespace meanwhile; the same again takes up its own.
    """

    cluster: str
    by: str
    limit: timedelta = LIMIT

    def nodes(self) -> tuple[str, ...]:
        """Those that take pods now, and whose agent would upload an archive.

        A node without an agent, such as one of the control plane, is nobody's target either.
        """
        states = outside.survey(self.cluster, patience=_ASKING).nodes()
        agents = {facts.node for facts in outside.store().list_node_facts(self.cluster)}
        taking = [one.name for one in states if one.ready and one.schedulable]
        found = tuple(name for name in taking if name in agents)
        if not found:
            raise NoNodeError(
                "no node is Ready, takes pods and has an agent",
                where=f"cluster {self.cluster}",
                found=f"Ready: {', '.join(taking) or 'none'}; agents on: "
                f"{', '.join(sorted(agents)) or 'none'}",
                do="look at the nodes' conditions, and run the agent on them",
            )
        return found

    def try_node(self, node: str) -> CanaryResult:
        """What came of it; only that the cluster is busy or away raises, for another attempt."""
        began = time.monotonic()
        error: TransitionError | None = None
        try:
            self._try(node)
        except TemporaryError:
            raise
        except TransitionError as found:
            error = found
        return CanaryResult(
            cluster=self.cluster,
            node=node,
            restores=error is None,
            seconds=time.monotonic() - began,
            error=None if error is None else str(error),
        )

    def _try(self, node: str) -> None:
        hook = outside.cluster_named(self.cluster)
        memory = secrets.token_hex(16)
        with hook.isolated(CANARY_NAMESPACE, by=self.by, limit=4 * self.limit) as place:
            self._clean()  # what a killed worker left
            try:
                pod = self._start(node, memory=memory, place=place)
                _ask(hook, pod, memory=memory)
                image = self._image(pod)
                copy = self._restore(node, image=image, place=place)
                _ask(hook, copy, memory=memory)
            finally:
                self._clean()

    def _start(self, node: str, *, memory: str, place: "Isolation") -> "Pod":
        image = read_settings().canary_image
        place.start(canary_pod(image=image, node=node, memory=memory, limit=4 * self.limit))
        return place.wait_ready(CANARY, timeout=self.limit)

    def _image(self, pod: "Pod") -> str:
        """Checkpoint the pod, wait for its archive, and make the image of it."""
        kubelet = outside.kubelet(_as_package(self.cluster))
        (path, *_) = kubelet.checkpoint(
            node=str(pod.node),
            address=pod.host_ip,
            namespace=pod.namespace,
            pod=pod.name,
            container=CANARY,
            timeout=self.limit,
        )
        record = self._record(pod, filename=PurePosixPath(path).name)
        pushed = outside.registry().push_checkpoint_image(
            record=record, archive=outside.store().open_archive(record)
        )
        return pushed.reference

    def _record(self, pod: "Pod", *, filename: str) -> "CheckpointRecord":
        from airflow_transition.hooks.polling import Poll  # noqa: PLC0415 - heavy

        store = outside.store()
        key = store.record_key(
            cluster=self.cluster, namespace=pod.namespace, pod=pod.name, filename=filename
        )
        return Poll().until(
            lambda: store.find_record(key),
            timeout=self.limit,
            late=lambda: NotUploadedError(
                "the archive's record is not in the store",
                where=f"s3://{store.bucket}/{key}",
                do=f"look at the log of the agent on node {pod.node}",
            ),
        )

    def _restore(self, node: str, *, image: str, place: "Isolation") -> "Pod":
        place.start(canary_copy(image=image, node=node, limit=4 * self.limit))
        return place.wait_restored(CANARY_COPY, images={CANARY: image}, timeout=self.limit)

    def _clean(self) -> None:
        """Remove archives, records and images of this cluster's canaries.

        The namespace is held meanwhile, so that they are nobody else's.
        """
        inventory, registry = outside.store().inventory, outside.registry()
        place = WorkloadPlace(self.cluster, CANARY_NAMESPACE, CANARY)
        try:
            for image in registry.images_of(CANARY_NAMESPACE, pod=CANARY, container=CANARY):
                if image.place == place:
                    registry.delete_image(image.reference)
            for remains in inventory.remains(place):
                inventory.remove_archives(remains)
        except TransitionError as error:
            log.warning("something of a canary is left behind: %s", error)


def _ask(hook: "ClusterHook", pod: "Pod", *, memory: str) -> None:
    from airflow_transition.hooks.quiesce import (  # noqa: PLC0415 - heavy
        PodExec,
        QuiesceFailedError,
    )

    try:
        hook.run_hook(pod, PodExec(CANARY, asks_memory(memory), _ASKING))
    except QuiesceFailedError as error:
        raise MemoryLostError(
            "the process does not have the memory that it should",
            where=f"cluster {hook.cluster}: pod {pod.namespace}/{pod.name} on {pod.node}",
            found=error.found,
            do="see that the canary's image has sh and cat, and what the runtime's log says",
        ) from error


def _as_package(cluster: str) -> ClusterPackage:
    """The kubelet's hook is chosen by cluster; the package has no part in it."""
    return ClusterPackage(cluster=cluster, package=CANARY, package_path=".")
