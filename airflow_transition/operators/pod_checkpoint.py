"""Checkpoint every container of a package's pod."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from airflow.sdk import BaseOperator, Context, XComArg
from airflow.sdk.exceptions import AirflowSkipException

from airflow_transition import outside
from airflow_transition.core.checkpoint_deadline import checkpoint_deadline
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.door_record import DoorRecord
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.pod_checkpoint import PodCheckpoint, WrittenArchive
from airflow_transition.links import PageLink
from airflow_transition.operators.checkpoint_hooks import HOOKED, called_around, hooked_pod
from airflow_transition.operators.package_place import place_of, register_lease
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

if TYPE_CHECKING:
    from airflow_transition.hooks.cluster import ClusterHook
    from airflow_transition.hooks.workloads import Container, Pod, PodSet, Workload

ONE_SECOND = timedelta(seconds=1)
"""Archive names have whole seconds: two checkpoints of a container within one share a path."""


class DoorWasOpenedError(PermanentError):
    """Work may have been accepted since the door was closed: this move's checkpoint is void."""


class Remembered(Protocol):
    """Airflow's task state store: what survives a task's retries."""

    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: Any) -> None: ...


class PodCheckpointOperator(BaseOperator):
    """Have the kubelet checkpoint all containers of a package's pod, one after the other.

    The pod is looked up in each attempt, so one that was replaced is found again. Behind a closed
    door an attempt takes up the archives of the attempt before it, since nothing changed meanwhile.
    With an open door the package's own hooks are called before and after; behind a closed one its
    quiesce hook was.

    :param package: which package in which cluster (`ClusterPackage`).
    :param door: what DoorCloseOperator returned; None: the workload keeps serving.
    :param places: the same package in each cluster that it may have moved to: it is checkpointed
        where the repositories say that it runs. None: where `package` says.
    :param lease_seconds: the pods answer only as long as their node renews a lease of this length.
    :param checkpoint_timeout: for one container at most; less where its memory limit says how much
        it can hold (`core/checkpoint_deadline.py`).
    """

    template_fields: Sequence[str] = ("package", "door", "places")
    operator_extra_links = (PageLink(),)
    ui_color = "#d9e8f6"

    def __init__(
        self,
        *,
        package: TaskValue,
        door: TaskValue | None = None,
        places: Sequence[Mapping[str, Any]] | XComArg | None = None,
        lease_seconds: float | None = None,
        checkpoint_timeout: timedelta = timedelta(minutes=30),
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.package = package
        self.door = door
        self.places = places
        self.lease_seconds = lease_seconds
        self.checkpoint_timeout = checkpoint_timeout

    def execute(self, context: Context) -> dict[str, Any]:
        package = ClusterPackage.model_validate(self.package)
        if self.places and not isinstance(self.places, XComArg):
            package = place_of(package, places=self.places)
            self.log.info("it runs on %s", package.cluster)
        hook = outside.cluster(package)
        workload = hook.find_workload(package.package, namespace=package.namespace)
        if not self.door:
            skip_where_nothing_serves(hook, workload=workload)
        pod, others = hook.find_pod(workload)
        if self.lease_seconds is not None:
            register_lease(package, workload=workload, seconds=self.lease_seconds)
        door = DoorRecord.model_validate(self.door) if self.door else None
        if door:
            require_door(hook, pods=workload.pods, lock=door.lock)
            leave_second(door.closed)
        self._tell(pod, others=others)
        lock = door.lock if door else None
        hooks = None if door else package.checkpoint_hooks
        if hooks:
            context["ti"].xcom_push(key=HOOKED, value=hooked_pod(pod, cluster=package.cluster))
        with self._turn(hook, pod=pod, context=context), called_around(hook, pod=pod, hooks=hooks):
            began = time.monotonic()
            archives = self._archives(pod, package=package, lock=lock, context=context)
            seconds = round(time.monotonic() - began, 3)
        done = PodCheckpoint(
            cluster=package.cluster,
            namespace=pod.namespace,
            package=package.package,
            workload_kind=workload.kind,
            workload=workload.name,
            pod=pod.name,
            node=str(pod.node),
            archives=archives,
            seconds=seconds,
            lock=lock,
            other_pods=tuple(other.name for other in others),
        )
        return done.as_json()

    def _turn(
        self, hook: "ClusterHook", *, pod: "Pod", context: Context
    ) -> AbstractContextManager[None]:
        """The pod to itself; a closed door keeps all others away already."""
        if self.door:
            return nullcontext()
        ti = context.get("ti")
        holder = f"{ti.dag_id}/{context['run_id']}/{ti.task_id}" if ti else "a task without a run"
        longest = len(pod.containers) * self.checkpoint_timeout
        return hook.turn(pod, holder=holder, duration=longest)

    def _archives(
        self, pod: "Pod", *, package: ClusterPackage, lock: str | None, context: Context
    ) -> tuple[WrittenArchive, ...]:
        store: Remembered | None = context.get("task_state_store") if lock else None
        archives = []
        for container in pod.containers:
            key = f"{lock}/{pod.uid}/{container.name}"
            path = store.get(key) if store is not None else None
            if path is None:
                path = self._checkpoint(pod, container=container, package=package)
                if store is not None:
                    store.set(key, path)
            archives.append(WrittenArchive(container=container.name, path=path))
        return tuple(archives)

    def _checkpoint(self, pod: "Pod", *, container: "Container", package: ClusterPackage) -> str:
        """Path of a container's new archive."""
        began, memory = time.monotonic(), container.memory_limit_bytes
        paths = outside.kubelet(package).checkpoint(
            node=str(pod.node),
            address=pod.host_ip,
            namespace=pod.namespace,
            pod=pod.name,
            container=container.name,
            timeout=checkpoint_deadline(memory, most=self.checkpoint_timeout),
        )
        self.log.info("%s in %.2f s", paths[0], time.monotonic() - began)
        return paths[0]

    def _tell(self, pod: "Pod", *, others: Sequence["Pod"]) -> None:
        self.log.info("pod %s/%s on node %s", pod.namespace, pod.name, pod.node)
        if others:
            names = ", ".join(other.name for other in others)
            self.log.warning("only one pod is checkpointed; left alone: %s", names)


def skip_where_nothing_serves(hook: "ClusterHook", *, workload: "Workload") -> None:
    """A scheduled checkpoint leaves alone what is moving, and what has moved."""
    if workload.replicas == 0:
        raise AirflowSkipException(f"{workload} is scaled to 0: there is nothing to checkpoint")
    if hook.door_lock(workload.pods):
        raise AirflowSkipException(f"{workload} is being moved: its door is closed")


def require_door(hook: "ClusterHook", *, pods: "PodSet", lock: str) -> None:
    """Refuse to go on when the door did not stay closed since it was closed for this move."""
    hook.confirm_door(pods)
    if hook.door_lock(pods) != lock:
        raise DoorWasOpenedError(
            "the door was opened and closed anew",
            where=f"cluster {hook.cluster}: {pods}",
            do="start a new move",
        )


def leave_second(closed: datetime) -> None:
    """Make sure that no archive of ours shares its name with one that was begun before.

    A scheduled checkpoint that began just before the door closed lacks the last accepted work; in
    the same second it would have our archive's name.
    """
    since = datetime.now(UTC) - closed
    time.sleep(min(max(ONE_SECOND - since, timedelta(0)), ONE_SECOND).total_seconds())
