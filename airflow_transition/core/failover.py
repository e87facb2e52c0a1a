"""A failover: what is going to be done about a lost cluster, and what was done.

The plan is made before anything is touched. What is written down afterwards keeps it together with
every fencing step, the decision, the commit and the end, so that it can be read when the run is
long gone.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, Field
from transition_wire.heartbeat import PodCopy
from transition_wire.model import DnsLabel, DnsSubdomain, WireModel

from airflow_transition.core.claim import FailoverLimits
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.fencing import FencingStep
from airflow_transition.core.move import IMAGES_TRAILER, MOVE_TRAILER, PROMOTION, STEP_TRAILER
from airflow_transition.core.policy_failover import Unconfirmed
from airflow_transition.core.restore_points import spoken

FENCING = "fencing"
"""The commit that scales the packages to 0 in the lost cluster's repository."""

_FOLDER = "transitions"


class PackageFailover(WireModel):
    """What becomes of one package."""

    source: ClusterPackage
    target: ClusterPackage
    workload_kind: str
    workload: DnsSubdomain
    namespace: DnsLabel
    pod_labels: dict[str, str]
    replicas: int = Field(ge=1)
    """Of a cold start; what is restored is one copy."""
    restore_point: str | None = None
    """Its id; None: a cold start, without the package's memory."""
    created: AwareDatetime | None = None
    """When the restore point was taken."""
    images: dict[str, str] = Field(default_factory=dict)
    """Container to image by digest; empty: those of the manifests."""
    size_bytes: int = 0
    manifests: ClusterPackage
    """Where the manifests are read that the target is to run."""
    passed_over: tuple[str, ...] = ()
    """Newer restore points, and why they are not used."""
    stopped_by: str | None = None
    """An earlier failover that fenced it and brought it up nowhere."""
    elsewhere: tuple[ClusterPackage, ...] = ()
    """Where that failover may have brought it up after this plan was made: looked at again."""
    half_moved: bool = False
    """A planned move to the target was under way: its copy there waits behind a closed door."""

    @property
    def name(self) -> str:
        return self.source.package

    @property
    def starts_cold(self) -> bool:
        return self.restore_point is None and not self.half_moved

    @property
    def pods(self) -> PodCopy:
        """Its pods, on either side, as a node's agent finds them."""
        return PodCopy(package=self.name, namespace=self.namespace, pod_labels=self.pod_labels)

    def age(self, *, now: datetime) -> timedelta | None:
        """The RPO at `now`: what came after the restore point is gone."""
        return None if self.created is None else max(now - self.created, timedelta(0))

    def line(self, *, now: datetime) -> str:
        age = self.age(now=now)
        if self.half_moved:
            start = "the copy that a planned move made stays, with all that was acknowledged"
        elif age is None:
            start = "cold start: without its memory"
        else:
            start = f"restore point {self.restore_point}, {spoken(age)} old (RPO)"
        return (
            f"package {self.name} ({self.workload_kind} {self.namespace}/{self.workload}): {start}"
        )


class FailoverPlan(WireModel):
    """What is going to be done about one lost cluster; a dry run ends with it."""

    id: str
    """The claim's; it names the failover in commits, fences and notes."""
    run: str
    """`<dag id>/<run id>`."""
    policy: DnsSubdomain
    cluster: DnsSubdomain
    """The one that is lost."""
    epoch: int | None
    """Of the fault; None: there is no receiver, and nobody gives claims."""
    nodes: tuple[DnsSubdomain, ...] = ()
    """Empty: the whole cluster is lost."""
    made: AwareDatetime
    lost_since: AwareDatetime
    """When the cluster was last heard, or when the plan was made."""
    by_hand: bool = False
    source_stopped: bool = False
    """A person says so."""
    approved: bool = False
    """A person decides: limits do not hold it back."""
    evidence: tuple[str, ...]
    silent: bool
    """Neither the cluster's API server nor any of its agents gives a sign."""
    grace_seconds: float
    target: DnsSubdomain
    packages: tuple[PackageFailover, ...] = Field(min_length=1)
    left: tuple[str, ...] = ()
    """Packages that do not move, each with the reason."""
    placement: tuple[str, ...] = ()
    fencing: tuple[str, ...] = ()
    """What will be tried, in this order."""
    not_promised: tuple[str, ...] = ()
    stays_behind: tuple[str, ...] = ()
    """What manifests name and the target has to have by itself."""
    notes: tuple[str, ...] = ()
    lease_seconds: float | None = None
    unconfirmed: Unconfirmed
    limits: FailoverLimits = FailoverLimits()
    seconds: float = 0
    """How long it took to make."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(package.name for package in self.packages)

    @property
    def images(self) -> dict[str, dict[str, str]]:
        return {package.name: package.images for package in self.packages}

    def trailers(self, step: str) -> dict[str, str]:
        """What names a commit of this failover, and stays the same for each attempt."""
        return {MOVE_TRAILER: self.id, STEP_TRAILER: step}

    def promotion_trailers(self) -> dict[str, str]:
        digests = sorted(
            image.rpartition("@")[2]
            for package in self.packages
            for image in package.images.values()
        )
        named = {IMAGES_TRAILER: " ".join(digests)} if digests else {}
        return {**self.trailers(PROMOTION), **named}

    def lines(self) -> list[str]:
        """The plan for people."""
        return list(self._lines())

    def _lines(self) -> Iterator[str]:
        lost = f"nodes {', '.join(self.nodes)} of {self.cluster}" if self.nodes else self.cluster
        yield f"failover {self.id}: {lost} to {self.target}"
        yield from (f"evidence: {line}" for line in self.evidence)
        for package in self.packages:
            yield package.line(now=self.made)
            yield from (f"passed over: {line}" for line in package.passed_over)
        yield from (f"STAYS: {line}" for line in self.left)
        yield from (f"placement: {line}" for line in self.placement)
        yield from (f"fencing: {line}" for line in self.fencing)
        yield from (f"NOT PROMISED: {line}" for line in self.not_promised)
        yield from (f"DOES NOT GO ALONG: {line}" for line in self.stays_behind)
        yield from (f"note: {line}" for line in self.notes)


class Promoted(WireModel):
    """What the promotion came to."""

    at: AwareDatetime
    fencing: tuple[FencingStep, ...]
    decision: str
    commit: str | None = None
    """None: the decision was not to go on."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Step to how long it took."""


class Ended(WireModel):
    """How the failover ended."""

    at: AwareDatetime
    outcome: Literal["restored", "failed"]
    text: str
    rto_seconds: float | None = None
    """From the last sign of life to all packages Ready; None: nothing was heard before."""
    rpo_seconds: dict[str, float] = Field(default_factory=dict)
    """Package to the age of its restore point when the source was last heard, or at the plan."""


class Transition(WireModel):
    """The whole story of one failover, as it lies in S3."""

    version: Literal[1] = 1
    plan: FailoverPlan
    promoted: Promoted | None = None
    ended: Ended | None = None


def failover_id(policy: str, *, cluster: str, epoch: int | None, run_id: str) -> str:
    """The claim's id; without a receiver the run's own name stands for the epoch."""
    return f"{policy}/{cluster}@{run_id if epoch is None else epoch}"


def transition_key(failover: str, *, prefix: str) -> str:
    """S3 key of a failover's story."""
    return f"{prefix}{_FOLDER}/{failover}.json"


def not_promised(*, lease: bool, stopped: bool, silent: bool, cold: Iterable[str]) -> Iterator[str]:
    """What a person must know before saying yes; `cold` are packages without a restore point."""
    if not (lease or stopped):
        yield (
            "if the cluster is alive behind a partition, two copies can run until it is reachable "
            "again; failover.leaseSeconds rules that out"
        )
    if not (silent or stopped):
        yield "the cluster gives a sign of life: its copies may still answer"
    for package in cold:
        yield f"{package} starts without its memory"
