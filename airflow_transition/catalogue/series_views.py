"""Numbers for pictures; each list is bounded, oldest first."""

from pydantic import AwareDatetime
from transition_wire.model import WireModel

from airflow_transition.core.catalogue import TransitionKind, TransitionState


class RpoPoint(WireModel):
    """The RPO at one moment."""

    at: AwareDatetime
    seconds: float | None
    """None: there was no verified restore point yet."""


class RpoSeries(WireModel):
    """A saw: it rises with time, and falls when a restore point is verified.

    Both ends of each fall are given, so that straight lines between the points are true.
    """

    policy: str
    package: str
    promise_seconds: float | None
    since: AwareDatetime
    until: AwareDatetime
    points: tuple[RpoPoint, ...]


class DowntimePoint(WireModel):
    """One transition that is over."""

    id: str
    kind: TransitionKind
    state: TransitionState
    policy: str
    ended: AwareDatetime
    downtime_seconds: float | None
    rpo_seconds: float | None


class DowntimeSeries(WireModel):
    transitions: tuple[DowntimePoint, ...]


class CostPoint(WireModel):
    """What one restore point took."""

    id: str
    created: AwareDatetime
    size_bytes: int
    seconds: dict[str, float]


class CostSeries(WireModel):
    """Bytes and seconds of each step."""

    policy: str
    package: str
    steps: tuple[str, ...]
    """In their order."""
    points: tuple[CostPoint, ...]
