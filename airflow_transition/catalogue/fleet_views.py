"""The page Fleet: clusters as a person wants to see them."""

from enum import StrEnum

from pydantic import AwareDatetime
from transition_wire.model import WireModel

from airflow_transition.catalogue.views import Listing


class Standing(StrEnum):
    """What stands out about a cluster; of several the first one here."""

    SILENT = "silent"
    """None of its trusted agents is heard."""
    FENCED = "fenced"
    """It was given up: packages are fenced on it until a failback."""
    PROBATION = "probation"
    """It was given up within the last day, and nothing is fenced on it any more."""
    DEGRADED = "degraded"
    """Some of its agents are silent."""
    UNKNOWN = "unknown"
    """Its agents were not heard yet, and the receiver has not listened for long enough."""
    UNHEARD = "unheard"
    """A policy or restore point names it, and no agent of it was ever heard."""
    READY = "ready"


class Abilities(WireModel):
    """What a cluster can restore, by the facts of its nodes."""

    nodes: int
    """Whose facts are known."""
    able: int
    """Of these, where CRIU and the runtime can restore."""
    architectures: tuple[str, ...]
    criu: tuple[str, ...]
    runtimes: tuple[str, ...]
    """`containerd 2.3.4`"""
    against: tuple[str, ...]
    """Why the others cannot; at most ten lines."""
    measured: AwareDatetime | None
    """The oldest of the facts."""


class ClusterView(WireModel):
    """One cluster."""

    cluster: str
    standing: Standing
    why: str
    """The sentence for it."""
    epoch: int | None
    """None: never heard."""
    agents: int
    agents_ready: int
    agents_silent: int
    untrusted: int
    """Nodes that send without a token of their own."""
    last_seen: AwareDatetime | None
    """The newest heartbeat of any of its agents."""
    silent_seconds: float | None
    warnings: tuple[str, ...]
    """Two agents under one name, skewed clocks, memory pressure; at most ten lines."""
    carries: int
    """Packages that run there."""
    carries_names: tuple[str, ...]
    """The first ten."""
    fenced: tuple[str, ...]
    """Packages that may not run there; the first ten."""
    restores: Abilities


class FleetSummary(WireModel):
    """Clusters of each standing, whatever is searched for."""

    clusters: int
    by_standing: dict[Standing, int]
    listening_seconds: float
    """How long the receiver has been listening without a pause."""


class FleetPage(Listing):
    """Those that stand out come first, then by name."""

    summary: FleetSummary
    clusters: tuple[ClusterView, ...]


class NodeView(WireModel):
    """One node of a cluster."""

    node: str
    health: str
    trusted: bool
    last_seen: AwareDatetime | None
    silent_seconds: float | None
    agent_version: str | None
    containers: int
    free_bytes: int | None
    kernel: str | None
    criu: str | None
    runtime: str | None
    able: bool | None
    """None: no facts are known."""
    against: tuple[str, ...]
    remarks: tuple[str, ...]


class ClusterDetail(WireModel):
    """One cluster with its nodes, at most 500 of them."""

    now: AwareDatetime
    may_trigger: bool
    cluster: ClusterView
    nodes: tuple[NodeView, ...]
    nodes_total: int
