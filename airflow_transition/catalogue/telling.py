"""Write into the catalogue what tasks tell of it. Telling anything again changes nothing."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update
from transition_wire.node_facts import NodeFacts

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.fingerprints import class_of, fingerprint
from airflow_transition.catalogue.package_rows import Key, refresh
from airflow_transition.core.catalogue import Told, ToldPoint, ToldPolicy, ToldTransition
from airflow_transition.heartbeat.store import Store

_LARGEST = 2**63 - 1
_LABEL = 63
CHUNK = 200
"""Keys in one statement."""


def tell(store: Store, told: Told, *, now: datetime) -> None:
    """One transaction; nobody reads a part of it."""
    with store.reading() as connection, connection.begin():
        raise_version(store, connection)
        touched: set[Key] = set()
        for policy in told.policies:
            touched |= _put_policy(store, connection, policy=policy)
        _put_facts(store, connection, facts=[*told.facts, *(one.point.node for one in told.points)])
        _put_nodes(store, connection, facts=told.facts)
        touched |= _put_points(store, connection, points=told.points, now=now)
        for story in told.transitions:
            touched |= _put_story(store, connection, story=story, now=now)
        refresh(connection, keys=sorted(touched))


def raise_version(store: Store, connection: Connection) -> None:
    """First of all: it holds the row, so that two tellings come one after the other."""
    row = store.upsert(tables.state).values(id=1, version=1)
    higher = {"version": tables.state.c.version + 1}
    connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=higher))


def put(
    store: Store,
    connection: Connection,
    *,
    table: Any,
    rows: Iterable[dict[str, Any]],
    newest_by: str | None = None,
) -> None:
    """Insert rows, or replace those of the same key; of two for one key the last is taken.

    `newest_by`: a row whose column says that it is older replaces nothing.
    """
    keys = [column.name for column in table.primary_key]
    rows = list({tuple(row[key] for key in keys): row for row in rows}.values())
    if not rows:
        return
    insert = store.upsert(table)
    others = {name: insert.excluded[name] for name in rows[0] if name not in keys}
    if others:
        newer = None
        if newest_by is not None:
            newer = insert.excluded[newest_by] >= table.c[newest_by]
        insert = insert.on_conflict_do_update(index_elements=keys, set_=others, where=newer)
    else:
        insert = insert.on_conflict_do_nothing()
    connection.execute(insert, rows)


def _put_policy(store: Store, connection: Connection, *, policy: ToldPolicy) -> set[Key]:
    """Packages that it lists no longer stay only as long as they have restore points."""
    document = policy.model_copy(update={"packages": ()}).model_dump_json()
    row = {"policy": policy.policy, "source": policy.source, "document": document}
    put(store, connection, table=tables.policy, rows=[row])
    mine = tables.package.c.policy == policy.policy
    if policy.complete:
        connection.execute(update(tables.package).where(mine).values(listed=False))
    listed = [
        {
            "policy": policy.policy,
            "package": package.package,
            "listed": True,
            "type": package.type,
            "live": package.live,
            "namespace": package.namespace,
            "promise_seconds": package.promise_seconds,
            "schedule": package.schedule,
            "checkpoint_dags": json.dumps(package.checkpoint_dags),
            "points": 0,
        }
        for package in policy.packages
    ]
    put(store, connection, table=tables.package, rows=listed)
    if not policy.complete:
        return {(policy.policy, package.package) for package in policy.packages}
    columns = (tables.package.c.policy, tables.package.c.package)
    return {(one[0], one[1]) for one in connection.execute(select(*columns).where(mine))}


def _put_facts(store: Store, connection: Connection, *, facts: Iterable[NodeFacts]) -> None:
    kinds = {fingerprint(one): one for one in facts}
    rows = [
        {"fingerprint": name, "document": class_of(one).model_dump_json()}
        for name, one in sorted(kinds.items())
    ]
    put(store, connection, table=tables.facts, rows=rows)


def _put_nodes(store: Store, connection: Connection, *, facts: Sequence[NodeFacts]) -> None:
    rows = [
        {
            "cluster": one.cluster,
            "node": one.node,
            "measured": one.measured,
            "fingerprint": fingerprint(one),
        }
        for one in facts
    ]
    put(store, connection, table=tables.node_facts, rows=rows, newest_by="measured")


def _put_points(
    store: Store, connection: Connection, *, points: Sequence[ToldPoint], now: datetime
) -> set[Key]:
    put(store, connection, table=tables.point, rows=[_point_row(one, now=now) for one in points])
    documents = [{"id": one.point.id, "document": one.point.model_dump_json()} for one in points]
    put(store, connection, table=tables.point_document, rows=documents)
    keys = {(one.point.policy, one.point.package) for one in points}
    found = [
        {
            "policy": policy,
            "package": package,
            "listed": False,
            "type": "Stateful",
            "live": True,
            "checkpoint_dags": "[]",
            "points": 0,
        }
        for policy, package in sorted(keys)
    ]
    if found:
        connection.execute(store.upsert(tables.package).on_conflict_do_nothing(), found)
    return keys


def _point_row(told: ToldPoint, *, now: datetime) -> dict[str, Any]:
    point, pin = told.point, told.pin
    return {
        "id": point.id,
        "policy": point.policy,
        "package": point.package,
        "cluster": point.cluster,
        "namespace": point.namespace,
        "workload": point.workload,
        "created": point.created,
        "verified": point.verified,
        "proven": told.proven,
        "size_bytes": min(sum(one.size_bytes for one in point.containers), _LARGEST),
        "pinned_by": _clean(pin.by) if pin else None,
        "pinned_why": _clean(pin.why) if pin else None,
        "pinned": pin.pinned if pin else None,
        "workload_kind": _clean(point.workload_kind)[:_LABEL],
        "node": point.node.node,
        "fingerprint": fingerprint(point.node),
        "containers": len(point.containers),
        "seconds": json.dumps(point.seconds),
        "told": now,
    }


def _clean(text: str) -> str:
    """What PostgreSQL takes: any text without NUL."""
    return text.replace("\0", "")


def _put_story(
    store: Store, connection: Connection, *, story: ToldTransition, now: datetime
) -> set[Key]:
    """What came later stays: a chapter that is told again late does not undo the end."""
    kept = select(tables.story.c.ended).where(tables.story.c.id == story.id)
    if story.ended is None and connection.execute(kept).scalar_one_or_none() is not None:
        return set()
    row = {
        "id": story.id,
        "kind": story.kind.value,
        "state": story.state.value,
        "policy": story.policy,
        "source": story.source,
        "target": story.target,
        "began": story.began,
        "ended": story.ended,
        "downtime_seconds": story.downtime_seconds,
        "rpo_seconds": max(story.rpo_seconds.values(), default=None),
        "outcome": story.outcome,
        "approved_by": story.approved_by,
        "packages": json.dumps(story.packages),
        "document": story.model_dump_json(),
        "told": now,
    }
    put(store, connection, table=tables.story, rows=[row])
    connection.execute(delete(tables.moved).where(tables.moved.c.story == story.id))
    moved = [
        {"policy": story.policy, "package": name, "story": story.id} for name in story.packages
    ]
    put(store, connection, table=tables.moved, rows=moved)
    return {(story.policy, name) for name in story.packages}


def forget_points(connection: Connection, *, ids: Sequence[str]) -> None:
    """S3 does not have them any more."""
    touched: set[Key] = set()
    for begin in range(0, len(ids), CHUNK):
        some = ids[begin : begin + CHUNK]
        these = tables.point.c.id.in_(some)
        columns = (tables.point.c.policy, tables.point.c.package)
        touched |= {(one[0], one[1]) for one in connection.execute(select(*columns).where(these))}
        connection.execute(delete(tables.point).where(these))
        documents = tables.point_document
        connection.execute(delete(documents).where(documents.c.id.in_(some)))
    refresh(connection, keys=sorted(touched))


def forget_stories(connection: Connection, *, ids: Sequence[str]) -> None:
    for begin in range(0, len(ids), CHUNK):
        these = ids[begin : begin + CHUNK]
        connection.execute(delete(tables.story).where(tables.story.c.id.in_(these)))
        connection.execute(delete(tables.moved).where(tables.moved.c.story.in_(these)))
