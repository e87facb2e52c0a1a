"""A planned move: what it is, and how it ends whatever fails on the way.

The promise is that no acknowledged work is lost, and that one copy is open in the end. The source's
door is closed before the checkpoint and the target's door before the promotion, so what happens in
between is seen by nobody and can be taken back. The point of no return is the commit that retires
the source: before it everything goes back, after it everything goes forward.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Protocol

from transition_wire.model import DnsLabel, DnsSubdomain, WireModel

from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.manner import Manner
from airflow_transition.core.volumes import VolumesPlan

AUTOMATIC = "automatic"
"""The form's word for: let the placement choose the target."""

MOVE_TRAILER = "Transition-Move"
STEP_TRAILER = "Transition-Step"
IMAGES_TRAILER = "Transition-Images"

PROMOTION, RETIREMENT = "promotion", "retirement"
"""The two commits of a move; both sides may be folders of one repository."""


_COMES_ALONG = {
    Manner.LIVE: "with their memory",
    Manner.VOLUMES: "with the data of their volumes",
    Manner.ANEW: "deployed anew",
}


class MovePlan(WireModel):
    """What a move is going to do, made before anything is touched; the dry run ends with it."""

    move: str
    """Names the move in commits: `<dag id>/<run id>`."""
    policy: DnsSubdomain
    source: ClusterPackage
    target: ClusterPackage
    workload_kind: str
    workload: DnsSubdomain
    namespace: DnsLabel
    manner: Manner = Manner.LIVE
    pod: DnsSubdomain | None = None
    """What is checkpointed; None: nothing is."""
    node: DnsSubdomain | None = None
    containers: tuple[DnsLabel, ...]
    replicas: int
    source_epoch: int | None = None
    """The source's, as the receiver of heartbeats knew it; None: there is no receiver."""
    lease_seconds: float | None = None
    source_answers: bool = True
    """Its API server; False: only its repository is told of the move."""
    volumes: VolumesPlan | None = None
    """How the data of its volumes comes along; None: it has none, or none comes along."""
    pod_labels: dict[str, str]
    """What every pod of the workload carries, on either side."""
    door: tuple[str, ...]
    """How the source's door will be closed."""
    not_closed: tuple[str, ...] = ()
    """Ways in that stay open: work that comes by them during the move can be lost."""
    stays_behind: tuple[str, ...] = ()
    """What of the package does not move, and what the target has to have by itself."""
    placement: tuple[str, ...] = ()
    """One line per cluster that was looked at, with the reasons."""
    notes: tuple[str, ...] = ()

    @property
    def holds_door(self) -> bool:
        """Whether the source's door is closed meanwhile; two copies without state may serve."""
        return self.manner is not Manner.ANEW and self.source_answers

    @property
    def opened(self) -> ClusterPackage:
        """The package on the target; what starts anew was never closed by its own hook."""
        if self.manner is Manner.LIVE:
            return self.target
        return self.target.model_copy(update={"quiesce": None})

    def promotion_trailers(self, images: Mapping[str, str]) -> dict[str, str]:
        """Identity of the commit that promotes these images; others are another promotion."""
        digests = sorted(image.rpartition("@")[2] for image in images.values())
        named = {IMAGES_TRAILER: " ".join(digests)} if digests else {}
        return {**self.trailers(PROMOTION), **named}

    def trailers(self, step: str) -> dict[str, str]:
        """What names a commit of this move."""
        return {MOVE_TRAILER: self.move, STEP_TRAILER: step}

    def lines(self) -> list[str]:
        """The plan for people."""
        return [
            f"package {self.source.package}: {self.source.cluster} to {self.target.cluster}",
            f"workload: {self.workload_kind} {self.namespace}/{self.workload}",
            *self._pod_lines(),
            *(f"placement: {line}" for line in self.placement),
            *(f"door: {line}" for line in self.door),
            *(f"NOT CLOSED: {line}" for line in self.not_closed),
            *(f"STAYS BEHIND: {line}" for line in self.stays_behind),
            *(f"note: {line}" for line in self.notes),
        ]

    def _pod_lines(self) -> Iterator[str]:
        if self.pod is None:
            yield f"{self.replicas} replicas, {_COMES_ALONG[self.manner]}"
            return
        first = self.containers[0]
        others = f" and {len(self.containers) - 1} more" if len(self.containers) > 1 else ""
        yield f"pod: {self.pod} on node {self.node}, container {first}{others}"


class Step(StrEnum):
    """What is to be done next when a move is settled."""

    ASK_AGAIN = "ask again"
    WAIT_SOURCE_GONE = "wait until the source's pods are gone"
    WAIT_TARGET_RESTORED = "wait until the target's pod is restored"
    OPEN_TARGET = "open the target's door"
    SHUT_TARGET = "close the target's door both ways"
    REVERT_PROMOTION = "revert the promotion"
    WAIT_TARGET_GONE = "wait until the target's pods are gone"
    OPEN_SOURCE = "open the source's door"
    LEAVE = "leave everything to the failover that took the package over"


class Seen(Protocol):
    """What is known of a move at one moment; None means that it could not be found out.

    Each is asked for only where it decides something: an answer can cost a fetch.
    """

    @property
    def retirement_begun(self) -> bool:
        """Airflow's word: a move whose retirement never began is certainly not retired."""

    @property
    def given_up(self) -> bool:
        """A failover has taken the package away from the source since the move was planned."""

    @property
    def retired(self) -> bool | None:
        """The source's repository wants no replica any more."""

    @property
    def source_gone(self) -> bool:
        """No pod of the source can be running; False where it cannot be told."""

    @property
    def promotion_begun(self) -> bool:
        """Airflow's word: without it there is nothing on the target to take back."""

    @property
    def promoted(self) -> bool | None:
        """The target's repository wants this move's images."""

    @property
    def target_shut(self) -> bool:
        """The target's door was closed both ways by this settlement."""

    @property
    def target_gone(self) -> bool:
        """No pod of the target can be running; False where it cannot be told."""

    @property
    def target_restored(self) -> bool:
        """The target's pod runs restored and Ready."""


def next_step(seen: Seen, *, patient: bool) -> Step:
    """The one decision of a settlement, made anew after each step.

    `patient` ends when waiting for the target to clean up has taken long enough: the source then
    opens although the target's leftovers are not confirmed gone. They are behind the target's
    closed door; staying closed on both sides would only prolong the outage.
    What is never decided by impatience: whether the source is retired.
    """
    retired = seen.retired if seen.retirement_begun else False
    if retired is None:
        return Step.LEAVE if seen.given_up else Step.ASK_AGAIN
    if retired:
        return _forward(seen)
    if seen.given_up:
        return Step.LEAVE
    if not seen.promotion_begun or not patient:
        return Step.OPEN_SOURCE
    return _back(seen)


def goes_forward(step: Step) -> bool:
    """Whether a step belongs to the way forward: the source is retired."""
    return step in {Step.WAIT_SOURCE_GONE, Step.WAIT_TARGET_RESTORED, Step.OPEN_TARGET}


def _forward(seen: Seen) -> Step:
    """Nothing is waited for in vain: the source does not come back, the target's copy is kept."""
    if not seen.source_gone:
        return Step.LEAVE if seen.given_up else Step.WAIT_SOURCE_GONE
    if not seen.target_restored:
        return Step.WAIT_TARGET_RESTORED
    return Step.OPEN_TARGET


def _back(seen: Seen) -> Step:
    if not seen.target_shut:
        return Step.SHUT_TARGET
    promoted = seen.promoted
    if promoted is None:
        return Step.ASK_AGAIN
    if promoted:
        return Step.REVERT_PROMOTION
    if not seen.target_gone:
        return Step.WAIT_TARGET_GONE
    return Step.OPEN_SOURCE
