"""The pods of this node, as its container runtime tells them: no API server is asked.

A cluster that was given up has often lost its API server too, so what must be stopped there is
found by the labels that the kubelet writes on every sandbox.
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from transition_wire.heartbeat import PodCopy

NAMESPACE_LABEL = "io.kubernetes.pod.namespace"
POD_LABEL = "io.kubernetes.pod.name"
CONTAINER_LABEL = "io.kubernetes.container.name"


@dataclass(frozen=True, kw_only=True)
class PodContainer:
    id: str
    name: str
    runs: bool
    """Or may begin to at any moment: created, paused, or in a state that is not known."""


@dataclass(frozen=True, kw_only=True)
class NodePod:
    """A pod's sandbox on this node, with its containers."""

    id: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...]
    """None of its own where it shares the node's network, or has none yet."""
    has_network: bool
    """False: it shares the node's, so its packets cannot be told from the node's."""
    containers: tuple[PodContainer, ...]

    def is_of(self, copy: PodCopy) -> bool:
        """Whether it is one of this package's pods."""
        mine = self.namespace == copy.namespace
        return mine and copy.pod_labels.items() <= self.labels.items()

    @property
    def running(self) -> tuple[PodContainer, ...]:
        return tuple(container for container in self.containers if container.runs)


class Runtime(Protocol):
    """A container runtime's command line. Every call is bounded, and may raise `CommandError`."""

    name: str

    def pods(self) -> list[NodePod]:
        """All pods of the node, those of Kubernetes alone."""

    def stop(self, containers: Iterable[PodContainer]) -> None:
        """End them at once, without a last word: what they would still write is out of date."""


def program_for(choice: Literal["auto", "crictl", "podman", "off"]) -> str | None:
    """The runtime's program on this node; None: there is none, or none is wanted."""
    if choice == "off":
        return None
    candidates = ("crictl", "podman") if choice == "auto" else (choice,)
    return next((each for each in candidates if shutil.which(each)), None)
