"""What a package's row says of its restore points and transitions: worked out when they change."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, select, tuple_, update

from airflow_transition.catalogue import tables
from airflow_transition.core.catalogue import ToldPolicy, TransitionState

Key = tuple[str, str]
"""Policy and package."""

_CHUNK = 200
_point, _story, _moved, _package = tables.point, tables.story, tables.moved, tables.package


def refresh(connection: Connection, *, keys: Sequence[Key]) -> None:
    """Bring these packages' rows up to date; one that is neither listed nor kept goes."""
    for begin in range(0, len(keys), _CHUNK):
        _refresh(connection, keys=keys[begin : begin + _CHUNK])


def _refresh(connection: Connection, *, keys: Sequence[Key]) -> None:
    found = {(one.policy, one.package): one for one in connection.execute(_packages(keys))}
    newest = _first_of(connection, _verified(keys))
    places = _first_of(connection, _points(keys))
    moves = _first_of(connection, _moves(keys))
    counts = {(one[0], one[1]): int(one[2]) for one in connection.execute(_counts(keys))}
    promises = _found_promises(connection, policies={policy for policy, _ in keys})
    rows = [
        _row(
            package,
            newest=newest.get(key),
            place=places.get(key),
            move=moves.get(key),
            points=counts.get(key, 0),
            promise=promises.get(key[0]),
        )
        for key, package in found.items()
    ]
    if rows:
        columns: dict[str, Any] = {
            name: bindparam(f"b_{name}") for name in rows[0] if name not in _KEY
        }
        statement = (
            update(_package)
            .where(_package.c.policy == bindparam("b_policy"))
            .where(_package.c.package == bindparam("b_package"))
            .values(columns)
        )
        prefixed = [{f"b_{name}": value for name, value in row.items()} for row in rows]
        connection.execute(statement, prefixed)
    gone = delete(_package).where(_of(_package, keys)).where(~_package.c.listed)
    connection.execute(gone.where(_package.c.points == 0))


_KEY = frozenset({"policy", "package"})


def _row(
    package: Any, *, newest: Any, place: Any, move: Any, points: int, promise: ToldPolicy | None
) -> dict[str, Any]:
    seconds, schedule = package.promise_seconds, package.schedule
    if not package.listed and promise is not None:
        seconds, schedule = promise.found_promise_seconds, promise.found_schedule
    moved_last = move is not None and (place is None or move.ended > place.created)
    return {
        "policy": package.policy,
        "package": package.package,
        "promise_seconds": seconds,
        "schedule": schedule,
        "cluster": move.target if moved_last else place.cluster if place else package.cluster,
        "namespace": package.namespace or (place.namespace if place else None),
        "workload_kind": place.workload_kind if place else package.workload_kind,
        "workload": place.workload if place else package.workload,
        "newest": newest.id if newest else None,
        "newest_created": newest.created if newest else None,
        "newest_verified": newest.verified if newest else None,
        "newest_proven": newest.proven if newest else None,
        "newest_bytes": newest.size_bytes if newest else None,
        "points": points,
        "due": due(newest.created, verified=newest.verified, promise_seconds=seconds)
        if newest and package.live
        else None,
    }


def due(created: datetime, *, verified: datetime, promise_seconds: float | None) -> datetime | None:
    """When the next restore point is late: making it takes as long as making this one did."""
    if promise_seconds is None:
        return None
    return max(created, verified) + timedelta(seconds=promise_seconds)


def _of(table: Any, keys: Sequence[Key]) -> Any:
    return tuple_(table.c.policy, table.c.package).in_(keys)


def _packages(keys: Sequence[Key]) -> Select[Any]:
    return select(_package).where(_of(_package, keys))


def _points(keys: Sequence[Key]) -> Select[Any]:
    columns = (
        _point.c.policy,
        _point.c.package,
        _point.c.id,
        _point.c.cluster,
        _point.c.namespace,
        _point.c.workload,
        _point.c.created,
        _point.c.verified,
        _point.c.proven,
        _point.c.size_bytes,
        _point.c.workload_kind,
    )
    return _ranked(columns, by=(_point.c.created, _point.c.id), where=[_of(_point, keys)])


def _verified(keys: Sequence[Key]) -> Select[Any]:
    columns = (
        _point.c.policy,
        _point.c.package,
        _point.c.id,
        _point.c.created,
        _point.c.verified,
        _point.c.proven,
        _point.c.size_bytes,
    )
    usable = [_of(_point, keys), _point.c.verified.is_not(None)]
    return _ranked(columns, by=(_point.c.created, _point.c.id), where=usable)


def _moves(keys: Sequence[Key]) -> Select[Any]:
    columns = (_moved.c.policy, _moved.c.package, _story.c.target, _story.c.ended, _story.c.id)
    over = [
        _of(_moved, keys),
        _moved.c.story == _story.c.id,
        _story.c.state == TransitionState.DONE.value,
        _story.c.ended.is_not(None),
    ]
    return _ranked(columns, by=(_story.c.ended, _story.c.id), where=over)


def _ranked(columns: Sequence[Any], *, by: Sequence[Any], where: Sequence[Any]) -> Select[Any]:
    """The newest of each package."""
    rank = func.row_number().over(
        partition_by=columns[:2], order_by=[column.desc() for column in by]
    )
    ranked = select(*columns, rank.label("rank")).where(*where).subquery()
    return select(ranked).where(ranked.c.rank == 1)


def _counts(keys: Sequence[Key]) -> Select[Any]:
    return (
        select(_point.c.policy, _point.c.package, func.count())
        .where(_of(_point, keys))
        .group_by(_point.c.policy, _point.c.package)
    )


def _first_of(connection: Connection, statement: Select[Any]) -> dict[Key, Any]:
    return {(one.policy, one.package): one for one in connection.execute(statement)}


def _found_promises(connection: Connection, *, policies: set[str]) -> dict[str, ToldPolicy]:
    columns = (tables.policy.c.policy, tables.policy.c.document)
    rows = connection.execute(select(*columns).where(tables.policy.c.policy.in_(policies)))
    return dict(_policies(rows))


def _policies(rows: Any) -> Iterator[tuple[str, ToldPolicy]]:
    for name, document in rows:
        yield name, ToldPolicy.model_validate_json(document)
