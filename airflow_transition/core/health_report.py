"""What the receiver of heartbeats tells of nodes and clusters, for people and for tasks."""

from enum import StrEnum

from pydantic import AwareDatetime, Field
from transition_wire.model import DnsSubdomain, WireModel


class Health(StrEnum):
    """Kubernetes' own words."""

    READY = "Ready"
    NOT_READY = "NotReady"
    """Silent for longer than the grace period."""
    UNKNOWN = "Unknown"
    """Never seen, or the receiver was not listening long enough to know."""


class NodeReport(WireModel):
    """One node, as its heartbeats show it."""

    node: DnsSubdomain
    health: Health
    silent_seconds: float | None
    """Since the last heartbeat, on the receiver's monotonic clock; None: none since it listens."""
    trusted: bool
    """Its heartbeats carry a token of its own; others never trigger an automatic failover."""
    boot_id: str | None = None
    agent_version: str | None = None
    last_seen: AwareDatetime | None = None
    """The receiver's clock, for people."""
    clock_skew_seconds: float | None = None
    """How far the node's clock was ahead of the receiver's."""
    two_agents: bool = False
    """Two agents send under this node's name."""
    memory_pressure: bool = False
    free_bytes: int | None = None
    last_upload_seconds: float | None = None
    containers: int = 0


class ClusterReport(WireModel):
    """One cluster: its epoch and its nodes."""

    cluster: DnsSubdomain
    epoch: int = Field(ge=1)
    nodes: tuple[NodeReport, ...]


class FleetReport(WireModel):
    """All clusters, judged by one grace period."""

    version: int
    """Changes whenever the health of a node, an epoch or the list of nodes changes."""
    grace_seconds: float
    listening_seconds: float
    """How long the receiver has been listening without a pause."""
    clusters: tuple[ClusterReport, ...]
