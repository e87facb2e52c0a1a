"""The page Transitions: each migration, failover and failback as a story."""

from pydantic import AwareDatetime
from transition_wire.model import WireModel

from airflow_transition.catalogue.views import Link, Listing, Step
from airflow_transition.core.catalogue import TransitionKind, TransitionState


class TransitionView(WireModel):
    """One transition in a list."""

    id: str
    kind: TransitionKind
    state: TransitionState
    policy: str
    packages: tuple[str, ...]
    """The first ten."""
    packages_total: int
    source: str
    target: str | None
    began: AwareDatetime
    ended: AwareDatetime | None
    downtime_seconds: float | None
    """How long nobody was answered; None: not known, or not over."""
    rpo_seconds: float | None
    """The most that any package lost; 0 for a planned move that ended well."""
    outcome: str | None
    approved_by: str | None


class TransitionPage(Listing):
    """Newest first."""

    transitions: tuple[TransitionView, ...]


class TransitionDetail(WireModel):
    """The whole story."""

    now: AwareDatetime
    may_trigger: bool
    transition: TransitionView
    plan: tuple[str, ...]
    """Line by line, as the task's log and the approval show it."""
    evidence: tuple[str, ...]
    """Of the fault; empty for a planned move."""
    fencing: tuple[str, ...]
    steps: tuple[Step, ...]
    rpo_by_package: dict[str, float]
    links: tuple[Link, ...]
    next_step: str | None
    """What to do about one that failed."""
