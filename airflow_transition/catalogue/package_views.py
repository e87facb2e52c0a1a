"""The page Packages: how well each is protected, and what would become of it."""

from enum import StrEnum

from pydantic import AwareDatetime
from transition_wire.model import WireModel

from airflow_transition.catalogue.views import Listing


class Protection(StrEnum):
    """How a package's newest verified restore point compares with what its policy promises."""

    NONE = "none"
    """It moves with its memory, and has no verified restore point."""
    LATE = "late"
    """The next restore point should be there by now."""
    KEPT = "kept"
    """As promised."""
    BY_HAND = "by-hand"
    """It has one, and no schedule promises the next."""
    COLD = "cold"
    """It is not live: nothing of its memory is kept."""


class PointGlance(WireModel):
    """A restore point in a few words."""

    id: str
    created: AwareDatetime
    verified: AwareDatetime | None
    proven: AwareDatetime | None
    """When it was last restored for a test."""
    size_bytes: int


class Destination(WireModel):
    """Where a package would go if its cluster died this minute, by what is known now."""

    target: str | None
    """None: nowhere; `not_along` says why."""
    why: tuple[str, ...]
    """The placement's line for each cluster, the best first."""
    restore_point: str | None
    """That it would start from; None: without its memory."""
    not_along: tuple[str, ...]
    """What would not come along."""


class PackageView(WireModel):
    """One package of one policy."""

    policy: str
    package: str
    type: str
    """Stateful or Stateless."""
    live: bool
    cluster: str | None
    """Where it runs; None: not known yet."""
    namespace: str | None
    workload: str | None
    """`Deployment video`"""
    protection: Protection
    promise_seconds: float | None
    """The longest time between two restore points by the policy's schedules."""
    schedule: str | None
    rpo_seconds: float | None
    """Age of the newest verified restore point; None: there is none."""
    due: AwareDatetime | None
    """When the next one is late."""
    newest: PointGlance | None
    """The newest verified restore point."""
    newest_is_proven: bool
    points: int
    goes_to: Destination | None
    """None: where it runs is not known."""


class PackageSummary(WireModel):
    """Packages of each protection, whatever is searched for."""

    packages: int
    by_protection: dict[Protection, int]


class PackagePage(Listing):
    """By name, or by `due` with the latest first."""

    summary: PackageSummary
    packages: tuple[PackageView, ...]


class PackageDags(WireModel):
    """What a person can start; each has a form."""

    migrate: str
    failover: str
    failback: str
    retention: str
    checkpoint: tuple[str, ...]


class PackageDetail(WireModel):
    """One package."""

    now: AwareDatetime
    may_trigger: bool
    package: PackageView
    dags: PackageDags
    clusters: tuple[str, ...]
    """Of its policy."""
