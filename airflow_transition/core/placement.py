"""Placement: choose the target cluster. Filter, then score, always with the reasons."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from transition_wire.node_facts import NodeFacts

from airflow_transition.core.node_parity import Parity, parity
from airflow_transition.core.restore_drivers import Way, way_of


@dataclass(frozen=True)
class Candidate:
    """A cluster that the policy prefers; the higher its weight, the more."""

    name: str
    weight: int = 0


@dataclass(frozen=True)
class Freshness:
    """Facts measured longer ago than `limit` say nothing of a node as it is `now`."""

    now: datetime
    limit: timedelta


@dataclass(frozen=True)
class Verdict:
    """What was decided of one cluster, and why, in plain words."""

    cluster: str
    accepted: bool
    score: int
    """Its weight; 0 where it is not accepted."""
    reasons: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    """Those that can restore."""
    way: Way = Way.COLD
    """How they do it."""

    def __str__(self) -> str:
        word = f"accepted with score {self.score}" if self.accepted else "not accepted"
        return f"{self.cluster}: {word}: {'; '.join(self.reasons)}"


@dataclass(frozen=True)
class Placement:
    """The cluster to go to, if there is one, and the verdict on every cluster."""

    target: str | None
    verdicts: tuple[Verdict, ...]
    """The best first, those not accepted last by name."""


def place(
    *,
    candidates: Sequence[Candidate],
    avoid: Collection[str],
    source: str,
    needs: NodeFacts,
    facts: Mapping[str, Sequence[NodeFacts]],
    forced: str | None = None,
    freshness: Freshness | None = None,
    unfit: Mapping[str, str] | None = None,
) -> Placement:
    """The accepted candidate with the highest weight.

    Ties go to the one with more fitting nodes, then to the first by name. `needs` are the facts of
    the node that the restore point was made on. A target that a person chose (`forced`) need not
    be a candidate, but has to pass the filter all the same. `unfit` are clusters that cannot be the
    target for a reason of their own, such as that they are silent too.
    """
    weights = {candidate.name: candidate.weight for candidate in candidates}
    if forced is not None:
        weights.setdefault(forced, 0)
    verdicts = []
    for cluster in sorted({*weights, *avoid, *facts, source}):
        reason = _against_cluster(cluster, weights=weights, avoid=avoid, source=source)
        reason = reason or (unfit or {}).get(cluster)
        if reason is not None:
            verdicts.append(Verdict(cluster, accepted=False, score=0, reasons=(reason,)))
            continue
        known = facts.get(cluster, ())
        verdicts.append(
            _verdict(cluster, weight=weights[cluster], needs=needs, known=known, fresh=freshness)
        )
    verdicts.sort(key=lambda one: (not one.accepted, -one.score, -len(one.nodes), one.cluster))
    accepted = [one.cluster for one in verdicts if one.accepted]
    if forced is not None:
        accepted = [cluster for cluster in accepted if cluster == forced]
    return Placement(accepted[0] if accepted else None, tuple(verdicts))


def _against_cluster(
    cluster: str, *, weights: Mapping[str, int], avoid: Collection[str], source: str
) -> str | None:
    if cluster == source:
        return "it is the source cluster"
    if cluster in avoid:
        return "the policy avoids it (avoidClusters)"
    if cluster not in weights:
        return "the policy does not name it (preferClusters)"
    return None


def _verdict(
    cluster: str,
    *,
    weight: int,
    needs: NodeFacts,
    known: Sequence[NodeFacts],
    fresh: Freshness | None,
) -> Verdict:
    if not known:
        reason = "nothing is known of its nodes; run the agent there"
        return Verdict(cluster, accepted=False, score=0, reasons=(reason,))
    checked = [_parity(node, needs=needs, fresh=fresh) for node in known]
    checked.sort(key=lambda one: one.node)
    fitting = tuple(one.node for one in checked if one.fits)
    refusals = [f"node {one.node}: {reason}" for one in checked for reason in one.against]
    if not fitting:
        return Verdict(cluster, accepted=False, score=0, reasons=tuple(refusals))
    way = way_of(one.way for one in checked if one.fits)
    reasons = [f"weight {weight}", f"{len(fitting)} of {len(checked)} nodes can restore: {way}"]
    reasons += [f"node {one.node}: {text}" for one in checked if one.fits for text in one.remarks]
    return Verdict(
        cluster,
        accepted=True,
        score=weight,
        reasons=(*reasons, *refusals),
        nodes=fitting,
        way=way,
    )


def _parity(node: NodeFacts, *, needs: NodeFacts, fresh: Freshness | None) -> Parity:
    if fresh is not None and fresh.now - node.measured > fresh.limit:
        minutes = int((fresh.now - node.measured).total_seconds() // 60)
        silent = f"its facts are {minutes} min old; is its agent running?"
        return Parity(node.node, against=(silent,), remarks=())
    return parity(node, needs=needs)
