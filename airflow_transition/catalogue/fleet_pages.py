"""Answer for the page Fleet."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.asking import Ask, not_found
from airflow_transition.catalogue.fleet_views import (
    ClusterDetail,
    ClusterView,
    FleetPage,
    FleetSummary,
    NodeView,
    Standing,
)
from airflow_transition.catalogue.glance import (
    Sight,
    all_sights,
    health_of,
    is_agent,
    last_seen,
    one_sight,
    order,
    silent_seconds,
    warnings,
)
from airflow_transition.catalogue.known_facts import abilities, facts_of, own_parity, runtime
from airflow_transition.catalogue.paging import read_cursor, write_cursor
from airflow_transition.heartbeat.node import Node
from airflow_transition.heartbeat.reports import listening_seconds

_FEW = 10
_MOST_NODES = 500


def fleet_page(
    ask: Ask, *, q: str | None, standing: Standing | None, limit: int, cursor: str | None
) -> FleetPage:
    begin = read_cursor(cursor, kinds=(int, str))
    with ask.reading() as connection:
        sights = all_sights(ask, connection)
        fitting = sorted(
            (order(each.standing), name)
            for name, each in sights.items()
            if (q is None or q.lower() in name) and standing in (None, each.standing)
        )
        left = fitting if begin is None else [key for key in fitting if key > begin]
        names = [name for _, name in left[:limit]]
        views = _views(ask, connection, sights={name: sights[name] for name in names})
    more = write_cursor(left[limit - 1]) if len(left) > limit else None
    summary = FleetSummary(
        clusters=len(sights),
        by_standing=dict(Counter(each.standing for each in sights.values())),
        listening_seconds=listening_seconds(ask.receiver),
    )
    return FleetPage(
        **ask.envelope(total=len(fitting), cursor=more), summary=summary, clusters=views
    )


def cluster_detail(ask: Ask, *, cluster: str) -> ClusterDetail:
    with ask.reading() as connection:
        found = one_sight(ask, connection, cluster=cluster)
        if found is None:
            raise not_found(f"cluster {cluster}")
        (view,) = _views(ask, connection, sights={cluster: found})
        facts = {one.node: one for one in facts_of(connection, clusters=[cluster]).get(cluster, ())}
    heard = {node.node: node for node in ask.receiver.fleet.nodes(cluster)}
    names = sorted({*heard, *facts})
    nodes = tuple(
        _node(ask, name=name, node=heard.get(name), facts=facts.get(name))
        for name in names[:_MOST_NODES]
    )
    return ClusterDetail(**ask.detail(), cluster=view, nodes=nodes, nodes_total=len(names))


def _views(
    ask: Ask, connection: Connection, *, sights: Mapping[str, Sight]
) -> tuple[ClusterView, ...]:
    facts = facts_of(connection, clusters=list(sights))
    carried = _carried(connection, clusters=list(sights))
    return tuple(
        _view(ask, name=name, sight=each, facts=facts.get(name, ()), carried=carried.get(name, ()))
        for name, each in sights.items()
    )


def _view(
    ask: Ask, *, name: str, sight: Sight, facts: Sequence[Any], carried: Sequence[tuple[str, int]]
) -> ClusterView:
    nodes = ask.receiver.fleet.nodes(name)
    agents = [node for node in nodes if is_agent(node)]
    now = ask.receiver.now()
    return ClusterView(
        cluster=name,
        standing=sight.standing,
        why=sight.why,
        epoch=sight.epoch,
        agents=sight.agents,
        agents_ready=sight.ready,
        agents_silent=sight.silent,
        untrusted=sight.untrusted,
        last_seen=last_seen(agents),
        silent_seconds=silent_seconds(agents, now=now),
        warnings=warnings(nodes, now=now),
        carries=carried[0][1] if carried else 0,
        carries_names=tuple(package for package, _ in carried),
        fenced=sight.fenced[:_FEW],
        restores=abilities(facts),
    )


def _carried(
    connection: Connection, *, clusters: Collection[str]
) -> dict[str, list[tuple[str, int]]]:
    """Of each cluster the first packages, each with how many there are."""
    package = tables.package.c
    place = func.row_number().over(
        partition_by=package.cluster, order_by=(package.package, package.policy)
    )
    count = func.count().over(partition_by=package.cluster)
    ranked = (
        select(package.cluster, package.package, place.label("place"), count.label("number"))
        .where(package.cluster.in_(clusters))
        .subquery()
    )
    found: dict[str, list[tuple[str, int]]] = {}
    rows = select(ranked).where(ranked.c.place <= _FEW).order_by(ranked.c.cluster, ranked.c.place)
    for one in connection.execute(rows):
        found.setdefault(one.cluster, []).append((one.package, one.number))
    return found


def _node(ask: Ask, *, name: str, node: Node | None, facts: Any) -> NodeView:
    judged = None if facts is None else own_parity(facts)
    heard = [] if node is None else [node]
    return NodeView(
        node=name,
        health="Unknown" if node is None else health_of(ask, node=node).value,
        trusted=node is not None and node.trusted,
        last_seen=last_seen(heard),
        silent_seconds=silent_seconds(heard, now=ask.receiver.now()),
        agent_version=node.agent_version if node else None,
        containers=node.containers if node else 0,
        free_bytes=node.free_bytes if node else None,
        kernel=facts.kernel if facts else None,
        criu=facts.criu if facts else None,
        runtime=runtime(facts) if facts else None,
        able=judged.fits if judged else None,
        against=judged.against if judged else (),
        remarks=judged.remarks if judged else (),
    )
