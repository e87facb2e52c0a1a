"""Claims: who may move a lost cluster's packages. The receiver gives each out once.

A fault is a cluster at an epoch. The first claim of a fault raises the cluster's epoch, so that
whoever still acts on the old one is refused; each policy has a claim of its own.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints
from transition_wire.heartbeat import PodCopy
from transition_wire.model import DnsLabel, DnsSubdomain, WireModel

_ClaimId = Annotated[str, StringConstraints(min_length=1, max_length=600, pattern=r"^[^\x00]*$")]

RESTORED = "restored"
"""How the outcome of a claim begins whose packages run on the target."""
FAILED = "failed"
"""How that of one begins whose packages were not brought up."""


class FailoverLimits(WireModel):
    """How much may move at once and per hour, over all policies of a receiver."""

    clusters_at_once: int = Field(default=1, ge=1)
    """Clusters whose packages are being moved."""
    packages_at_once: int = Field(default=100, ge=1)
    clusters_per_hour: int = Field(default=2, ge=1)
    packages_per_hour: int = Field(default=1000, ge=1)
    silent_clusters_percent: int = Field(default=50, ge=1, le=100)
    """If more than this share of all known clusters is silent at once, the receiver rather than the
    clusters has lost its network. One cluster of one or two is never too many."""


class ClaimRequest(WireModel):
    """Asks for the right to move a policy's packages away from a cluster."""

    policy: DnsSubdomain
    epoch: int = Field(ge=1, lt=2**31)
    """Of the fault: the cluster's epoch as the heartbeats' absence was seen."""
    run: str = Field(min_length=1, max_length=500)
    """`<dag id>/<run id>`: the same run may ask again."""
    packages: tuple[PodCopy, ...] = Field(min_length=1)
    grace_seconds: float = Field(gt=0)
    """By which the silence of clusters is judged for the limits."""
    limits: FailoverLimits = FailoverLimits()
    takes_over: tuple[_ClaimId, ...] = Field(default=(), max_length=1000)
    """Claims that ended without success; this one goes on with what they fenced and brought up
    nowhere. Their fences become this claim's, so that their runs cannot go on any more."""
    approved: bool = False
    """A person has decided: neither limits nor agents that are heard hold this claim back."""


class Claim(WireModel):
    """A claim that was given."""

    id: str
    """`<policy>/<cluster>@<epoch of the fault>`; it names the failover in commits and fences."""
    policy: DnsSubdomain
    cluster: DnsSubdomain
    epoch: int
    """Of the fault. The cluster's is higher since."""
    run: str
    packages: tuple[PodCopy, ...]
    made: AwareDatetime
    ended: AwareDatetime | None = None
    outcome: str | None = None

    @property
    def has_failed(self) -> bool:
        """It ended, and not with its packages on the target."""
        return self.ended is not None and not (self.outcome or "").startswith(RESTORED)


class ClaimRefusal(WireModel):
    """Why a claim was not given."""

    reason: Literal["taken", "epoch", "heard", "limit"]
    """taken: another run has it; epoch: the cluster's epoch has risen meanwhile; heard: none of
    its agents is silent, or it is not known; limit: too much would move at once."""
    text: str
    holder: str | None = None
    """The run that has it."""
    retry_seconds: float | None = None
    """It can pass by itself: ask again after so long. None: only a person's word changes it."""


class PackageFence(WireModel):
    """How far one package of a claim is kept from running on the cluster that was given up."""

    package: DnsLabel
    namespace: DnsLabel
    nodes_silent_seconds: float | None
    """Of the node heard from last; None: no node is known."""
    nodes_fenced: tuple[DnsSubdomain, ...]
    """Nodes whose agents reported that none of its pods runs there, since the claim."""
    nodes_open: tuple[DnsSubdomain, ...]
    """Nodes that did not report it."""
    lease_seconds: float | None
    """Duration of the package's lease; None: it has none."""
    lease_expired: bool
    """Every lease that was given has run out on the node itself, enforced by its kernel."""
