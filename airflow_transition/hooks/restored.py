"""Whether a pod was restored from its checkpoint images, and if not, what would help.

The texts are those of containerd and the kubelet (docs/reference/errors.md). A restored container's
status names its base image, so the spec is what is compared.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_transition.core.errors import PermanentError
from airflow_transition.hooks.workloads import Container, Pod


class RestoreSwitchedOffError(PermanentError):
    """The node's container runtime can restore, but is configured not to."""


class NotSeenAsCheckpointError(PermanentError):
    """The runtime took the checkpoint image for an ordinary one."""


class BaseImagePullError(PermanentError):
    """The node cannot pull the image that the checkpoint was taken from."""


class CheckpointImagePullError(PermanentError):
    """The node may not, or cannot, pull the checkpoint image."""


class RestoreFailedError(PermanentError):
    """The runtime tried to restore and failed."""


class RestartedError(PermanentError):
    """The container died after its restore, and was restored from the checkpoint again."""


OF_THE_IMAGE = (
    BaseImagePullError,
    CheckpointImagePullError,
    RestoreFailedError,
    RestartedError,
)
"""What another restore point of the package may not suffer from."""


@dataclass(frozen=True)
class Pending:
    """Not restored yet, and why."""

    why: str


@dataclass(frozen=True)
class _Fault:
    reasons: tuple[str, ...]
    mark: str
    error: type[PermanentError]
    what: str
    do: str


_CREATING = ("CreateContainerError", "RunContainerError", "StartError")
_PULLING = ("ErrImagePull", "ImagePullBackOff")
_FAULTS = (
    _Fault(
        _CREATING,
        "checkpoint restore via CreateContainer is disabled",
        RestoreSwitchedOffError,
        "the node's containerd is configured not to restore",
        "set enable_experimental_restore_via_create = true under "
        "[plugins.'io.containerd.cri.v1.runtime'] on the target's nodes and restart containerd",
    ),
    _Fault(
        _CREATING,
        "no command specified",
        NotSeenAsCheckpointError,
        "the container runtime did not take the image for a checkpoint",
        "use a runtime that restores (containerd 2.1 to 2.3, or CRI-O with container_level_enabled "
        '= "checkpoint_restore"); if it does, the image lost its manifest annotations',
    ),
    _Fault(
        _CREATING,
        "failed to pull checkpoint base image",
        BaseImagePullError,
        "the node cannot pull the image that the checkpoint was taken from",
        "make the base image readable without a password for the target's nodes, or put it there "
        "before: the runtime does not use the pull secret for it",
    ),
    _Fault(
        _PULLING,
        "unauthorized|authentication required|denied|forbidden|not found|x509",
        CheckpointImagePullError,
        "the node cannot pull the checkpoint image",
        "check the target's imagePullSecrets and its nodes' trust in the registry's certificate",
    ),
    _Fault(
        _CREATING,
        "(?i)criu|restore",
        RestoreFailedError,
        "the container runtime failed to restore the checkpoint",
        "read restore.log on the node; compare CRIU, kernel, CPU features and runc of both nodes",
    ),
)


def judge(pods: Sequence[Pod], *, images: Mapping[str, str], where: str) -> Pod | Pending:
    """The restored pod among `pods`, or what is still missing; a fault that stays raises."""
    alive = [pod for pod in pods if not pod.deleting and not pod.finished]
    ours = [pod for pod in alive if _asks_for(pod, images)]
    if not ours:
        seen = ", ".join(f"{pod.name} runs {sorted(pod.images.values())}" for pod in alive)
        return Pending(f"no pod asks for the checkpoint images yet ({seen or 'no pod'})")
    pod = ours[0]
    for container in pod.containers:
        _refuse(container, where=f"{where}: pod {pod.namespace}/{pod.name}/{container.name}")
    waiting = [item for item in pod.containers if not (item.running and item.ready)]
    if waiting or not pod.ready:
        return Pending(_what_waits(pod, waiting=waiting))
    return pod


def _asks_for(pod: Pod, images: Mapping[str, str]) -> bool:
    return all(pod.images.get(container) == image for container, image in images.items())


def _refuse(container: Container, *, where: str) -> None:
    found = f"{container.reason}: {container.message}"
    if container.restart_count > 0:
        raise RestartedError(
            "the restored container died, and the runtime restored it from the checkpoint again",
            where=where,
            found=f"restartCount {container.restart_count}, {found}",
            do="read the container's previous log; what it did since the restore is lost",
        )
    for fault in _FAULTS:
        if container.reason in fault.reasons and re.search(fault.mark, container.message):
            raise fault.error(fault.what, where=where, found=found, do=fault.do)


def _what_waits(pod: Pod, *, waiting: Sequence[Container]) -> str:
    if pod.unscheduled:
        return f"pod {pod.name} has no node: {pod.unscheduled}"
    if not waiting:
        return f"pod {pod.name} runs but is not Ready"
    states = (f"{item.name}: {item.reason or 'not ready'} {item.message}" for item in waiting)
    return f"pod {pod.name} waits for " + ", ".join(states)
