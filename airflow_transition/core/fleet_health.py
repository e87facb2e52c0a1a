"""Whether the clusters or the receiver lost the network: who fell silent together.

A receiver whose own network breaks hears from nobody, and asks API servers in vain: both signals
agree, for every cluster, and wrongly. What tells it apart is that all fall silent at once.
"""

from dataclasses import dataclass

from airflow_transition.core.cluster_health import agents
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health

_FEW = 2
"""Of so many clusters a single silent one says nothing of the receiver."""


@dataclass(frozen=True)
class SilentShare:
    """The clusters that fell silent together with one of them, or after it."""

    silent: tuple[str, ...]
    """No agent of theirs is heard any more."""
    quiet: tuple[str, ...]
    """Not heard for half the grace period: it is not known yet whether they are silent."""
    known: int
    """All clusters but those that were silent before."""
    settled_seconds: float
    """Until then each quiet one was heard again or is silent."""

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
    reports = {report.cluster: report for report in fleet.clusters if agents(report)}
    own = _heard(reports[cluster]) if cluster in reports else None
    silent, quiet, before, settled = {cluster}, set[str](), set[str](), 0.0
    for name, report in reports.items():
        heard = _heard(report)
        if name == cluster:
            continue
        if _all_silent(report):
            earlier = own is not None and (heard is None or heard > own + fleet.grace_seconds)
            (before if earlier else silent).add(name)
        elif heard is None or heard >= fleet.grace_seconds / 2:
            quiet.add(name)
            settled = max(settled, fleet.grace_seconds - (heard or 0.0))
    return SilentShare(
        silent=tuple(sorted(silent)),
        quiet=tuple(sorted(quiet)),
        known=len(reports.keys() | {cluster}) - len(before),
        settled_seconds=settled,
    )


def _heard(report: ClusterReport) -> float | None:
    """Seconds since any agent of it was heard from; None: none since the receiver listens."""
    ages = [node.silent_seconds for node in agents(report)]
    return min((age for age in ages if age is not None), default=None)


def _all_silent(report: ClusterReport) -> bool:
    return all(node.health is Health.NOT_READY for node in agents(report))
