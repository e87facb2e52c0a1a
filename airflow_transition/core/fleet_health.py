"""Whether the clusters or the receiver lost the network: who fell silent together.

A receiver whose own network breaks hears from nobody, and asks API servers in vain: both signals
agree, for every cluster, and wrongly. What tells it apart is that all fall silent at once.
"""

from dataclasses import dataclass
from typing import NamedTuple

from airflow_transition.core.cluster_health import agents
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health

_FEW = 2
"""Of so many clusters a single silent one says nothing of the receiver."""
_QUIET = 0.45
"""Of the grace period. When the first cluster is judged silent in a network that broke, the others
were heard an interval later at most; the grace period is two intervals or more, and a heartbeat
may be late."""


@dataclass(frozen=True)
class SilentShare:
    """The clusters that fell silent together with one of them, or after it."""

    silent: tuple[str, ...]
    """No agent of theirs is heard any more."""
    quiet: tuple[str, ...]
    """Not heard for almost half the grace period: it is not known yet whether they are silent."""
    known: int
    """All clusters but those that were silent before."""

    def too_many(self, percent: int) -> bool:
        return self._exceeds(len(self.silent), percent=percent)

    def perhaps_too_many(self, percent: int) -> bool:
        """If the quiet ones turn out to be silent."""
        return self._exceeds(len(self.silent) + len(self.quiet), percent=percent)

    def _exceeds(self, count: int, *, percent: int) -> bool:
        if self.known <= _FEW and count <= 1:
            return False
        return count * 100 > percent * self.known


def silent_share(fleet: FleetReport, *, cluster: str) -> SilentShare:
    """Who fell silent with `cluster`, which counts as silent whatever the report says.

    Heartbeats of one cluster stop showing up to an interval after those of another, although the
    network broke for both at once. So when the first cluster is judged silent, others only look
    quiet, and that is enough to wait for them.
    """
    looks = {report.cluster: _look(report) for report in fleet.clusters}
    known = {name: look for name, look in looks.items() if look is not None}
    own = known[cluster].heard if cluster in known else None
    silent, quiet, before = {cluster}, set[str](), set[str]()
    for name, (heard, is_silent) in known.items():
        if name == cluster:
            continue
        if is_silent:
            earlier = own is not None and (heard is None or heard > own + fleet.grace_seconds)
            (before if earlier else silent).add(name)
        elif heard is None or heard >= fleet.grace_seconds * _QUIET:
            quiet.add(name)
    return SilentShare(
        silent=tuple(sorted(silent)),
        quiet=tuple(sorted(quiet)),
        known=len(known.keys() | {cluster}) - len(before),
    )


class _Look(NamedTuple):
    heard: float | None
    """Seconds since any agent of it was heard from; None: none since the receiver listens."""
    silent: bool
    """All of its agents are."""


def _look(report: ClusterReport) -> _Look | None:
    """None: it has no agents that count."""
    counted = agents(report)
    if not counted:
        return None
    ages = [node.silent_seconds for node in counted if node.silent_seconds is not None]
    silent = all(node.health is Health.NOT_READY for node in counted)
    return _Look(min(ages, default=None), silent)
