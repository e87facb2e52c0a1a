"""Heartbeats: a node's sign of life, and what the receiver answers.

The receiver's answer is how a cluster that was given up learns of it: the fences come before
anything else that its agents do.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from transition_wire.model import DnsLabel, DnsSubdomain, WireModel
from transition_wire.node_facts import NodeFacts

HEARTBEAT_PATH = "/heartbeat"
"""Below the receiver's address; the guide's own path."""

_MOST_CONTAINERS = 1000
_MOST_PACKAGES = 1000

BootId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
AgentId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class PodCopy(WireModel):
    """The pods of one package in one cluster, as a node can find them without an API server."""

    package: DnsLabel
    namespace: DnsLabel
    pod_labels: dict[str, str] = Field(min_length=1, max_length=100)
    """Every pod of the package's workload carries all of them."""


class Fence(PodCopy):
    """These pods must not run here any more: they run elsewhere."""

    id: str = Field(min_length=1, max_length=600)
    """Of the claim that raised the cluster's epoch."""
    epoch: int = Field(ge=1)
    """The cluster's epoch since that claim."""


class Lease(PodCopy):
    """These pods may answer for so long, counted from when the heartbeat was sent.

    Shorter than the grace period. The receiver counts from when the heartbeat arrived, so its
    count ends later than the node's own.
    """

    duration_seconds: float = Field(gt=0, le=3600)


class PackageName(WireModel):
    """A package by its name alone."""

    package: DnsLabel
    namespace: DnsLabel


class RunningContainer(WireModel):
    """A container that the node can checkpoint."""

    namespace: DnsLabel
    pod: DnsSubdomain
    container: DnsLabel


class HeldLease(PackageName):
    """A lease as the node enforces it, running or run out."""

    enforced_by: Literal["kernel", "agent"]
    """kernel: the packets of the pods are dropped when the lease runs out, whatever becomes of the
    agent's process; agent: the agent has to be running to stop them."""


class Heartbeat(WireModel):
    """What an agent POSTs at every interval."""

    version: Literal[1] = 1
    cluster: DnsSubdomain
    node: DnsSubdomain
    boot_id: BootId
    """Of the node's running kernel."""
    agent_id: AgentId
    """Random, made when the agent's process started: two agents of one name differ in it."""
    sequence: int = Field(ge=1, lt=2**63)
    """Rises with each heartbeat of this process; one that was seen already is a replay."""
    sent: AwareDatetime
    """The node's clock. It shows how far that clock is off and decides nothing."""
    interval_seconds: float = Field(gt=0, le=3600)
    agent_version: str = Field(max_length=100)
    containers: tuple[RunningContainer, ...] = Field(default=(), max_length=_MOST_CONTAINERS)
    free_bytes: int | None = Field(default=None, ge=0)
    """Beside the checkpoint archives."""
    last_upload_seconds: float | None = Field(default=None, ge=0)
    """Age of the newest archive that reached S3; None: none did since the agent started."""
    memory_pressure: bool = False
    """Shown to people, never acted on."""
    facts: NodeFacts | None = None
    """With the first heartbeat, and when they changed."""
    fenced: tuple[str, ...] = Field(default=(), max_length=_MOST_PACKAGES)
    """Ids of the fences of which no pod runs on this node, of none of an id's packages."""
    leases: tuple[HeldLease, ...] = Field(default=(), max_length=_MOST_PACKAGES)


class HeartbeatReply(WireModel):
    """What the receiver answers to a heartbeat that it took."""

    epoch: int = Field(ge=1)
    """The cluster's; it rises each time that the cluster's packages are given to another one."""
    fences: tuple[Fence, ...] = ()
    leases: tuple[Lease, ...] = ()
    """Those renewed by this very heartbeat. One that is missing here is not renewed."""
    released: tuple[PackageName, ...] = ()
    """Packages whose leases were withdrawn although they are not fenced: their pods are open again.
    A lease that is merely missing stays closed."""
