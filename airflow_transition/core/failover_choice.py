"""Choose restore points and the one target for all packages of a lost cluster together."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from transition_wire.node_facts import NodeFacts

from airflow_transition.core.placement import Candidate, Freshness, Verdict, place
from airflow_transition.core.restore_points import Choice, RestorePoint, choose
from airflow_transition.core.velero import BackupChoice, FoundBackup

_NEED_KEY = tuple[str, str, datetime]


@dataclass(frozen=True)
class Need:
    """A package that needs a new place."""

    package: str
    points: tuple[RestorePoint, ...]
    """Of any cluster of the policy."""
    cold: bool
    """It may start without its memory."""
    backups: Mapping[str, BackupChoice] | None = None
    """Cluster to the backup of its volumes that is known there; None: they are not what moves."""


@dataclass(frozen=True)
class Targets:
    """Where packages may go, and what is known of it."""

    candidates: Sequence[Candidate]
    avoid: Collection[str]
    lost: str
    facts: Mapping[str, Sequence[NodeFacts]]
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Cluster to why it cannot be the target whatever its nodes are."""
    forced: str | None = None
    freshness: Freshness | None = None


@dataclass(frozen=True)
class Offer:
    """What one cluster can do for the packages."""

    cluster: str
    weight: int
    accepted: bool
    reasons: tuple[str, ...]
    choices: Mapping[str, Choice] = field(default_factory=dict)
    """Package to its restore point on this cluster; a cold start has none."""
    cold: frozenset[str] = frozenset()
    backups: Mapping[str, FoundBackup] = field(default_factory=dict)
    """Package to the backup of its volumes."""
    left: Mapping[str, str] = field(default_factory=dict)
    """Package to why this cluster cannot run it."""

    def __str__(self) -> str:
        word = f"accepted with score {self.weight}" if self.accepted else "not accepted"
        return f"{self.cluster}: {word}: {'; '.join(self.reasons)}"


@dataclass(frozen=True)
class TargetChoice:
    """The best offer, if any cluster makes one, and all of them, the best first."""

    offer: Offer | None
    offers: tuple[Offer, ...]


def choose_target(
    needs: Sequence[Need],
    *,
    targets: Targets,
    now: datetime,
    max_age: timedelta | None = None,
    older: int = 0,
) -> TargetChoice:
    """The cluster that takes the most packages, with the most of their memory; then by weight.

    A restore point that fits no node of a cluster is passed over there for the one before it. A
    package that fits nowhere does not hold the others back. Each choice has so many `older` restore
    points besides, for when the first does not restore.
    """
    verdicts = _Verdicts(targets)
    names = verdicts.clusters()
    offers = [
        _offer(name, needs=needs, verdicts=verdicts, now=now, max_age=max_age, older=older)
        for name in names
    ]
    newest = _newest(offers)

    def rank(offer: Offer) -> tuple[bool, bool, int, int, int, int, str]:
        older = sum(
            choice.point is not None and choice.point.created < newest[package]
            for package, choice in offer.choices.items()
        )
        left, cold = len(offer.left), len(offer.cold)
        refused = not (offer.choices or offer.left)
        return (not offer.accepted, refused, left, cold, older, -offer.weight, offer.cluster)

    offers.sort(key=rank)
    wanted = [
        offer for offer in offers if offer.accepted and targets.forced in (None, offer.cluster)
    ]
    return TargetChoice(wanted[0] if wanted else None, tuple(offers))


def _newest(offers: Sequence[Offer]) -> dict[str, datetime]:
    """The youngest restore point that any cluster could use, by package."""
    newest: dict[str, datetime] = {}
    for offer in offers:
        for package, choice in offer.choices.items():
            if choice.point is not None:
                created = choice.point.created
                newest[package] = max(created, newest.get(package, created))
    return newest


def _offer(
    cluster: str,
    *,
    needs: Sequence[Need],
    verdicts: "_Verdicts",
    now: datetime,
    max_age: timedelta | None,
    older: int,
) -> Offer:
    weight = verdicts.weight(cluster)
    against = verdicts.against(cluster)
    if against is not None:
        return Offer(cluster, weight, accepted=False, reasons=(against,))
    choices: dict[str, Choice] = {}
    cold: set[str] = set()
    left: dict[str, str] = {}
    backups: dict[str, FoundBackup] = {}
    for need in needs:
        known = None if need.backups is None else need.backups.get(cluster, BackupChoice(None))
        if known is None:
            choice = choose(
                need.points,
                now=now,
                max_age=max_age,
                refused=lambda point: verdicts.refusal(point.node, cluster=cluster),
                older=older,
            )
        else:
            choice = Choice(None, known.passed_over)
            if known.backup is not None:
                backups[need.package] = known.backup
        if choice.point is not None or need.package in backups:
            choices[need.package] = choice
        elif need.cold:
            choices[need.package] = choice
            cold.add(need.package)
        else:
            left[need.package] = known.why_none if known else _why_left(choice)
    reasons = _reasons(choices, weight=weight, needs=needs, left=left)
    return Offer(
        cluster,
        weight,
        accepted=bool(choices),
        reasons=tuple(reasons),
        choices=choices,
        cold=frozenset(cold),
        backups=backups,
        left=left,
    )


def _reasons(
    choices: Mapping[str, Choice],
    *,
    weight: int,
    needs: Sequence[Need],
    left: Mapping[str, str],
) -> Iterator[str]:
    yield f"weight {weight}"
    yield f"{len(choices)} of {len(needs)} packages can run there"
    for package, reason in left.items():
        yield f"{package}: {reason}"


def _why_left(choice: Choice) -> str:
    if not choice.passed_over:
        return "it has no restore point"
    return f"no restore point can be used: {'; '.join(map(str, choice.passed_over[:3]))}"


class _Verdicts:
    """`place`, asked once for each node that restore points were made on."""

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self._known: dict[_NEED_KEY, dict[str, Verdict]] = {}

    def clusters(self) -> list[str]:
        targets = self.targets
        named = {candidate.name for candidate in targets.candidates}
        forced = {targets.forced} if targets.forced else set()
        return sorted(named | forced | set(targets.avoid) | {targets.lost})

    def weight(self, cluster: str) -> int:
        weights = {candidate.name: candidate.weight for candidate in self.targets.candidates}
        return weights.get(cluster, 0)

    def against(self, cluster: str) -> str | None:
        """Why nothing can go there, whatever it needs."""
        targets = self.targets
        if cluster == targets.lost:
            return "it is the cluster that is lost"
        if cluster in targets.avoid:
            return "the policy avoids it (avoidClusters)"
        return targets.unfit.get(cluster)

    def refusal(self, needs: NodeFacts, *, cluster: str) -> str | None:
        """Why no node of the cluster can restore what ran on such a node."""
        verdict = self._of(needs)[cluster]
        return None if verdict.accepted else f"{cluster} cannot restore it: {verdict.reasons[0]}"

    def _of(self, needs: NodeFacts) -> dict[str, Verdict]:
        key = (needs.cluster, needs.node, needs.measured)
        if key not in self._known:
            targets = self.targets
            placement = place(
                candidates=targets.candidates,
                avoid=targets.avoid,
                source=targets.lost,
                needs=needs,
                facts=targets.facts,
                forced=targets.forced,
                freshness=targets.freshness,
                unfit=targets.unfit,
            )
            self._known[key] = {verdict.cluster: verdict for verdict in placement.verdicts}
        return self._known[key]
