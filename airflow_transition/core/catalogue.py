"""What tasks tell the catalogue: an index of what S3 holds, so that people find it fast.

Nothing here is the truth. Whatever is lost is told again when the catalogue is reconciled with S3.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints
from transition_wire.model import DnsLabel, DnsSubdomain, WireModel
from transition_wire.node_facts import NodeFacts

from airflow_transition.core.pin import Pin
from airflow_transition.core.restore_points import RestorePoint

TransitionId = Annotated[
    str, StringConstraints(min_length=1, max_length=600, pattern=r"^[^\x00]*$")
]
PointId = Annotated[
    str, StringConstraints(min_length=1, max_length=700, pattern=r"^[a-z0-9][-a-z0-9./TZ]*$")
]
Line = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]

Text = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(3000, 1, 1, tzinfo=UTC)),
]
"""Far from where arithmetic with times ends."""
LONGEST_SECONDS = 3_153_600_000.0
"""A century."""
Seconds = Annotated[float, Field(gt=0, le=LONGEST_SECONDS)]

MOST_AT_ONCE = 500
"""Restore points in one telling: a body has a bound."""


class TransitionKind(StrEnum):
    MIGRATION = "migration"
    FAILOVER = "failover"
    FAILBACK = "failback"


class TransitionState(StrEnum):
    PLANNED = "planned"
    """The plan is made; nothing is touched, or nothing is known of it yet."""
    RUNNING = "running"
    DONE = "done"
    """The packages run on the target."""
    ROLLED_BACK = "rolled-back"
    """The package runs on the source as before."""
    FAILED = "failed"


StepState = Literal["running", "done", "failed", "skipped"]


class TransitionStep(WireModel):
    """One step of a transition; drawn as a bar."""

    name: str = Field(min_length=1, max_length=100)
    began: Moment | None = None
    """None: only how long it took is known; it follows the step before."""
    seconds: float | None = Field(default=None, ge=0)
    """None: it is under way, or was skipped."""
    state: StepState = "done"
    text: Line | None = None


class ToldPackage(WireModel):
    """A package that a policy protects."""

    package: DnsLabel
    type: Literal["Stateful", "Stateless"]
    live: bool
    namespace: DnsLabel | None = None
    promise_seconds: Seconds | None = None
    schedule: Text | None = None
    checkpoint_dags: tuple[str, ...] = ()


class ToldTarget(WireModel):
    """A cluster that a policy prefers."""

    cluster: DnsSubdomain
    weight: int = Field(ge=0)


class ToldPolicy(WireModel):
    """What the catalogue has to know of a policy; nothing of repositories."""

    policy: DnsSubdomain
    source: DnsSubdomain
    targets: tuple[ToldTarget, ...] = Field(default=(), max_length=1000)
    avoid: tuple[DnsSubdomain, ...] = Field(default=(), max_length=1000)
    cold_start: bool = False
    max_age_seconds: Seconds | None = None
    grace_seconds: Seconds
    found_promise_seconds: Seconds | None = None
    """Of packages that are found by annotation rather than listed."""
    found_schedule: Text | None = None
    packages: tuple[ToldPackage, ...] = Field(default=(), max_length=10_000)
    complete: bool = True
    """These are all packages that it lists; False: others stay as they are known."""


class ToldPoint(WireModel):
    """A restore point as S3 has it."""

    point: RestorePoint
    pin: Pin | None = None
    proven: Moment | None = None


class ToldTransition(WireModel):
    """A transition as far as it has come; a later chapter replaces the one before."""

    id: TransitionId
    kind: TransitionKind
    state: TransitionState
    policy: DnsSubdomain
    source: DnsSubdomain
    target: DnsSubdomain | None = None
    packages: tuple[DnsLabel, ...] = Field(default=(), max_length=10_000)
    run: str = Field(max_length=500)
    """`<dag id>/<run id>`"""
    began: Moment
    ended: Moment | None = None
    downtime_seconds: float | None = Field(default=None, ge=0)
    rpo_seconds: dict[DnsLabel, float] = Field(default_factory=dict)
    outcome: Line | None = None
    approved_by: Annotated[Text, StringConstraints(max_length=500)] | None = None
    plan: tuple[Line, ...] = Field(default=(), max_length=20_000)
    evidence: tuple[Line, ...] = Field(default=(), max_length=1000)
    fencing: tuple[Line, ...] = Field(default=(), max_length=1000)
    steps: tuple[TransitionStep, ...] = Field(default=(), max_length=1000)
    commit: str | None = None
    commit_url: str | None = None
    images: tuple[str, ...] = ()
    restore_points: tuple[str, ...] = ()
    next_step: Line | None = None


class Told(WireModel):
    """One telling. Telling it again changes nothing."""

    facts: tuple[NodeFacts, ...] = Field(default=(), max_length=MOST_AT_ONCE)

    policies: tuple[ToldPolicy, ...] = Field(default=(), max_length=100)
    points: tuple[ToldPoint, ...] = Field(default=(), max_length=MOST_AT_ONCE)
    transitions: tuple[ToldTransition, ...] = Field(default=(), max_length=MOST_AT_ONCE)


class SurveyedPlace(WireModel):
    """What S3 lists of one workload in one cluster."""

    cluster: DnsSubdomain
    namespace: DnsLabel
    workload: DnsSubdomain
    begun: Moment
    """When the listing began: what was told since is not judged by it."""
    points: tuple[PointId, ...] = Field(max_length=50_000)
    pinned: tuple[PointId, ...] = Field(default=(), max_length=50_000)
    proven: tuple[PointId, ...] = Field(default=(), max_length=50_000)


class SurveyedStories(WireModel):
    """What S3 lists of one policy's transitions."""

    policy: DnsSubdomain
    begun: Moment
    ids: tuple[TransitionId, ...] = Field(max_length=50_000)


class SurveyedClusters(WireModel):
    """All workloads that have restore points in these clusters."""

    begun: Moment
    clusters: tuple[DnsSubdomain, ...] = Field(max_length=10_000)
    places: tuple[tuple[DnsSubdomain, DnsLabel, DnsSubdomain], ...] = Field(max_length=50_000)


class Wanted(WireModel):
    """What the catalogue does not have as S3 has it: read these, and tell them."""

    ids: tuple[str, ...]
    forgotten: int
    """Rows of what S3 does not have any more."""
