"""A node of the source: the agent's own warden and guard on a modelled kernel, disk and process."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import structlog
from transition_agent.guard import Guard
from transition_agent.orders import Orders
from transition_agent.runtime import NodePod, PodContainer
from transition_agent.warden import Warden
from transition_wire.heartbeat import HeartbeatReply, HeldLease, PodCopy

from tests.unit.core.one_copy_kernel import Clock, Kernel
from tests.unit.core.one_copy_rules import Rules

PACKAGE = PodCopy(package="video", namespace="shop", pod_labels={"app": "video"})
_SILENT = structlog.wrap_logger(
    structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
)
_NO_CILIUM = Path("/nonexistent")


@dataclass
class Disk:
    """What the agent's state file is on."""

    orders: Orders = field(default_factory=Orders)

    def load(self) -> Orders:
        return self.orders

    def save(self, orders: Orders) -> None:
        self.orders = orders


@dataclass
class Node:
    name: str
    clock: Clock
    rules: Rules
    up: bool = True
    boot: int = 1
    agent: int = 1
    """The process's number."""
    sequence: int = 0
    pod: NodePod | None = None
    disk: Disk = field(default_factory=Disk)
    waits: tuple[int, dict] | None = None
    """The heartbeat that the agent's process waits for the answer of, and what it prepared."""
    told_of_fence: bool = False
    """It has had an answer that the receiver gave after the claim: the property's own words."""
    addresses: count = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.kernel = Kernel(self.clock)
        self._start_agent()

    @property
    def accepts(self) -> bool:
        """A kubelet starts what the agent ends, so that only the kernel counts here."""
        return self.up and self.pod is not None and self.kernel.passes(self.pod.addresses[0])

    @property
    def has_lease(self) -> bool:
        return bool(self.warden.orders.leases)

    @property
    def held(self) -> tuple[HeldLease, ...]:
        return self.warden.held()

    def prepare(self) -> int:
        """The agent is about to send; whatever it waited for before it does not any more."""
        self.sequence += 1
        self.waits = self.sequence, self.warden.prepare()
        return self.sequence

    def take(self, reply: HeartbeatReply, *, sequence: int) -> None:
        if self.waits is None or self.waits[0] != sequence:
            return
        prepared = self.waits[1]
        self.waits = None
        self.told_of_fence |= bool(reply.fences)
        if not self.rules.obeys_fences:
            reply = reply.model_copy(update={"fences": ()})
        if not self.rules.counted_from_sending:
            prepared = self.warden.prepare()
        self.warden.take(reply, prepared=prepared)
        if self.rules.kept_at_once:
            self.warden.keep()

    def look(self) -> None:
        """A round of the agent's."""
        self.warden.keep()
        self.warden.see([] if self.pod is None else [self.pod])

    def start_pod(self) -> None:
        """A new one, at an address that no rule knows."""
        self.pod = NodePod(
            id="sandbox",
            namespace=PACKAGE.namespace,
            name="video-0",
            labels=PACKAGE.pod_labels,
            addresses=(f"10.1.0.{next(self.addresses)}",),
            has_network=True,
            containers=(PodContainer(id="container", name="app", runs=True),),
        )
        if self.rules.seen_at_once:
            self.look()

    def end_pod(self) -> None:
        self.pod = None

    def restart_agent(self) -> None:
        self.agent += 1
        self.sequence = 0
        self.waits = None
        self._start_agent()
        if self.rules.closed_at_boot:
            self.look()

    def reboot(self) -> None:
        self.boot += 1
        self.up = True
        self.kernel.boot()
        self.restart_agent()

    def _start_agent(self) -> None:
        guard = Guard(log=_SILENT, load=self.kernel, passed_by=_NO_CILIUM, now=self.clock.read)
        self.warden = Warden(guard=guard, state=self.disk, log=_SILENT, now=self.clock.read)
        self.warden.load()
