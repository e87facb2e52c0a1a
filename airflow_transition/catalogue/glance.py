"""The standing of every cluster, worked out once for each change of its health."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, union

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.asking import Ask
from airflow_transition.catalogue.fleet_views import Standing
from airflow_transition.core.health_report import Health
from airflow_transition.heartbeat.node import Node
from airflow_transition.heartbeat.tables import claim

PROBATION = timedelta(days=1)
"""How long a cluster that was given up stands out although nothing is fenced on it any more."""
_ORDER = {standing: place for place, standing in enumerate(Standing)}
_MOST_LINES = 10
_NOTABLE_SKEW_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Sight:
    """One cluster's agents at this moment."""

    agents: int = 0
    ready: int = 0
    silent: int = 0
    untrusted: int = 0
    fenced: tuple[str, ...] = ()
    epoch: int | None = None
    given_up: datetime | None = None
    """Within the time of probation."""

    @property
    def standing(self) -> Standing:
        if self.agents and self.silent == self.agents:
            return Standing.SILENT
        if self.fenced:
            return Standing.FENCED
        if self.given_up is not None:
            return Standing.PROBATION
        if self.silent:
            return Standing.DEGRADED
        if not self.agents:
            return Standing.UNHEARD
        return Standing.READY if self.ready else Standing.UNKNOWN

    @property
    def why(self) -> str:
        return _WHY[self.standing].format(sight=self, fenced=len(self.fenced))


_WHY = {
    Standing.SILENT: "none of its {sight.agents} agents is heard",
    Standing.FENCED: "it was given up: {fenced} packages may not run there until a failback",
    Standing.PROBATION: "it was given up within the last day",
    Standing.DEGRADED: "{sight.silent} of {sight.agents} agents are silent",
    Standing.UNKNOWN: "its agents were not heard since the receiver began to listen",
    Standing.UNHEARD: "no agent of it with a token was ever heard",
    Standing.READY: "all of its {sight.ready} agents are heard",
}


def order(standing: Standing) -> int:
    """What stands out comes first."""
    return _ORDER[standing]


def all_sights(ask: Ask, connection: Connection) -> dict[str, Sight]:
    """Every cluster that is heard, was given up, or is named by the catalogue."""
    given_up = _given_up(connection, now=ask.now)
    names = {*ask.receiver.fleet.clusters(), *given_up, *_named(connection)}
    return {name: sight(ask, cluster=name, given_up=given_up.get(name)) for name in sorted(names)}


def one_sight(ask: Ask, connection: Connection, *, cluster: str) -> Sight | None:
    """None: nobody knows such a cluster."""
    given_up = _given_up(connection, now=ask.now).get(cluster)
    nodes = ask.receiver.fleet.nodes(cluster)
    if not nodes and given_up is None and cluster not in set(_named(connection)):
        return None
    return sight(ask, cluster=cluster, given_up=given_up)


def sight(ask: Ask, *, cluster: str, given_up: datetime | None) -> Sight:
    nodes = ask.receiver.fleet.nodes(cluster)
    counted = [node for node in nodes if is_agent(node)]
    healths = Counter(health_of(ask, node=node) for node in counted)
    promised = ask.receiver.promises.of(cluster)
    known = bool(nodes) or cluster in ask.receiver.promises.clusters
    return Sight(
        agents=len(counted),
        ready=healths[Health.READY],
        silent=healths[Health.NOT_READY],
        untrusted=sum(not node.trusted for node in nodes),
        fenced=tuple(sorted({fence.package for fence in promised.fences})),
        epoch=promised.epoch if known else None,
        given_up=given_up,
    )


def is_agent(node: Node) -> bool:
    """Whether its silence counts."""
    return node.trusted and (node.heard is not None or node.last_seen is not None)


def health_of(ask: Ask, *, node: Node) -> Health:
    """A node that was heard for the first time just now may not be judged yet."""
    try:
        return ask.watch.health(node)
    except KeyError:
        return Health.UNKNOWN


def silent_nodes(ask: Ask, *, clusters: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Nodes that nothing can be restored on now."""
    return {
        cluster: frozenset(
            node.node
            for node in ask.receiver.fleet.nodes(cluster)
            if is_agent(node) and health_of(ask, node=node) is Health.NOT_READY
        )
        for cluster in clusters
    }


def last_seen(nodes: Sequence[Node]) -> datetime | None:
    seen = max((node.last_seen for node in nodes if node.last_seen is not None), default=None)
    return None if seen is None else datetime.fromtimestamp(seen, UTC)


def silent_seconds(nodes: Sequence[Node], *, now: float) -> float | None:
    """Of the agent that was heard last."""
    heard = max((node.heard for node in nodes if node.heard is not None), default=None)
    return None if heard is None else max(0.0, now - heard)


def warnings(nodes: Sequence[Node], *, now: float) -> tuple[str, ...]:
    """What a person should see to, although nothing is decided by it."""
    lines = [line for node in nodes for line in _warnings(node, now=now)]
    more = len(lines) - _MOST_LINES
    return (*lines[:_MOST_LINES], f"and {more} more") if more > 0 else tuple(lines)


def _warnings(node: Node, *, now: float) -> Iterator[str]:
    if not node.trusted:
        yield f"node {node.node} sends without a token: shown, not counted"
    if node.two_agents(now):
        yield f"node {node.node}: two agents send under its name; remove one"
    if node.memory_pressure:
        yield f"node {node.node} is short of memory"
    skew = node.skew
    if skew is not None and abs(skew) >= _NOTABLE_SKEW_SECONDS:
        word = "ahead" if skew > 0 else "behind"
        yield f"node {node.node}: its clock is {abs(skew):.0f} s {word}"


def _given_up(connection: Connection, *, now: datetime) -> dict[str, datetime]:
    recent = (
        select(claim.c.cluster, func.max(claim.c.made))
        .where(claim.c.made > now - PROBATION)
        .group_by(claim.c.cluster)
    )
    return {cluster: _aware(made) for cluster, made in connection.execute(recent)}


def _aware(moment: Any) -> datetime:
    """SQLite gives an aggregate of moments back as it keeps them."""
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    aware: datetime = found if found.tzinfo else found.replace(tzinfo=UTC)
    return aware


def _named(connection: Connection) -> Iterator[str]:
    """By policies as their source, by packages, and by facts of nodes."""
    names = union(
        select(tables.policy.c.source),
        select(tables.package.c.cluster).where(tables.package.c.cluster.is_not(None)),
        select(tables.node_facts.c.cluster),
    )
    for row in connection.execute(names):
        yield row[0]
