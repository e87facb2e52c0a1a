"""What the catalogue knows of nodes, for the clusters of one page."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, select
from transition_wire.node_facts import NodeFacts

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.fingerprints import class_from, class_of, of_node
from airflow_transition.catalogue.fleet_views import Abilities
from airflow_transition.core.node_parity import Parity, parity

_MOST_LINES = 10
_KINDS = 4096
_RUNTIMES = ("containerd", "crio", "podman")


def facts_of(connection: Connection, *, clusters: Collection[str]) -> dict[str, list[NodeFacts]]:
    """Of each cluster, by node."""
    found: dict[str, list[NodeFacts]] = {}
    for cluster, node, measured, document in _rows(connection, clusters=clusters):
        facts = of_node(class_from(document), cluster=cluster, node=node, measured=measured)
        found.setdefault(cluster, []).append(facts)
    return found


def one_of_each_class(
    connection: Connection,
    *,
    clusters: Collection[str],
    silent: Mapping[str, Collection[str]],
) -> dict[str, list[NodeFacts]]:
    """The first node of each class that is not silent: what fits it fits the others as well."""
    found: dict[str, dict[str, NodeFacts]] = {}
    for cluster, node, measured, document in _rows(connection, clusters=clusters):
        kinds = found.setdefault(cluster, {})
        if document not in kinds and node not in silent.get(cluster, ()):
            kind = class_from(document)
            kinds[document] = of_node(kind, cluster=cluster, node=node, measured=measured)
    return {cluster: list(kinds.values()) for cluster, kinds in found.items()}


def abilities(facts: Sequence[NodeFacts]) -> Abilities:
    """What nodes of these facts can restore that was made on their like."""
    judged = [(one, own_parity(one)) for one in facts]
    lines = [f"node {one.node}: {text}" for one, found in judged for text in found.against]
    more = len(lines) - _MOST_LINES
    return Abilities(
        nodes=len(facts),
        able=sum(found.fits for _, found in judged),
        architectures=tuple(sorted({one.architecture for one in facts})),
        criu=tuple(sorted({one.criu for one in facts if one.criu})),
        runtimes=tuple(sorted({text for one in facts if (text := runtime(one))})),
        against=(*lines[:_MOST_LINES], f"and {more} more") if more > 0 else tuple(lines),
        measured=min((one.measured for one in facts), default=None),
    )


def own_parity(facts: NodeFacts) -> Parity:
    """Whether the node can restore what was made on itself."""
    return _own_parity(class_of(facts))


@lru_cache(maxsize=_KINDS)
def _own_parity(kind: NodeFacts) -> Parity:
    return parity(kind, needs=kind)


def runtime(facts: NodeFacts) -> str | None:
    for name in _RUNTIMES:
        version = getattr(facts, name)
        if version:
            return f"{name} {version}"
    return None


def _rows(
    connection: Connection, *, clusters: Collection[str]
) -> Iterator[tuple[str, str, datetime, str]]:
    node, kind = tables.node_facts, tables.facts
    rows = connection.execute(
        select(node.c.cluster, node.c.node, node.c.measured, node.c.fingerprint)
        .where(node.c.cluster.in_(clusters))
        .order_by(node.c.cluster, node.c.node)
    ).all()
    names = {one.fingerprint for one in rows}
    documents = {
        one.fingerprint: one.document
        for one in connection.execute(select(kind).where(kind.c.fingerprint.in_(names)))
    }
    for one in rows:
        yield one.cluster, one.node, one.measured, documents[one.fingerprint]
