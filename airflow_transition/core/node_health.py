"""Health of a node: what the receiver's own silence and a node's silence prove.

All moments are seconds on one monotonic clock, that of the receiver; no wall clock, and no clock
of a node, decides anything here.
"""

from dataclasses import dataclass, replace
from typing import Self

from airflow_transition.core.health_report import Health

LONGEST_GAP_SECONDS = 1.0
"""Between two ticks of a receiver that is not paused. A stalled loop hears nothing, and what it
has not heard yet waits in its sockets: shorter gaps can make a silence look so much longer."""


@dataclass(frozen=True)
class Listening:
    """From when a receiver has been listening without a pause.

    The tick belongs into the loop that takes the heartbeats: where that loop stalls, it shows.
    """

    since: float
    last_tick: float
    longest_gap: float = LONGEST_GAP_SECONDS

    @classmethod
    def begin(cls, now: float, *, longest_gap: float = LONGEST_GAP_SECONDS) -> Self:
        """The receiver has just started."""
        return cls(now, now, longest_gap)

    def tick(self, now: float) -> Self:
        """The receiver lives: a late tick was a pause, and it listens from now on."""
        return replace(self, since=self.since_at(now), last_tick=max(now, self.last_tick))

    def since_at(self, now: float) -> float:
        """From when it listens, for a judgement at `now`.

        Always judge by this and not by `since`: after a pause a request can be answered before
        the next tick has come.
        """
        paused = now - self.last_tick > self.longest_gap
        return now if paused else self.since

    def paused_at(self, now: float) -> bool:
        """Whether a tick at `now` ends a pause; worth a line in the log."""
        return now - self.last_tick > self.longest_gap


def node_health(
    last_seen: float | None,
    *,
    listening_since: float,
    now: float,
    grace_seconds: float,
    known: bool = True,
) -> Health:
    """What is known of a node at `now`.

    `last_seen` is the last heartbeat in this life of the receiver, None where there was none;
    `known` says whether the node was ever heard from, by an earlier life of the receiver too.
    """
    if last_seen is not None and now < last_seen + grace_seconds:
        return Health.READY
    if last_seen is None and not known:
        return Health.UNKNOWN
    if now < listening_since + grace_seconds:
        return Health.UNKNOWN
    return Health.NOT_READY


def next_change(
    last_seen: float | None,
    *,
    listening_since: float,
    now: float,
    grace_seconds: float,
    known: bool = True,
) -> float | None:
    """When the node's health changes next if nothing is heard from it; None: not any more.

    A long poll sleeps until the earliest of these; at that very moment `node_health` differs.
    """
    if last_seen is None and not known:
        return None
    moments = (
        None if last_seen is None else last_seen + grace_seconds,
        listening_since + grace_seconds,
    )
    return min((moment for moment in moments if moment is not None and moment > now), default=None)
