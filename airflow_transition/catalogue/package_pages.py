"""Answer for the page Packages."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, case, func, literal, or_, select

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.asking import Ask, not_found
from airflow_transition.catalogue.destinations import destinations
from airflow_transition.catalogue.package_views import (
    Destination,
    PackageDags,
    PackageDetail,
    PackagePage,
    PackageSummary,
    PackageView,
    PointGlance,
    Protection,
)
from airflow_transition.catalogue.paging import after, contains, read_cursor, write_cursor
from airflow_transition.core.catalogue import ToldPolicy
from airflow_transition.core.policy_rules import (
    failback_dag_id,
    failover_dag_id,
    migrate_dag_id,
    retention_dag_id,
)
from airflow_transition.heartbeat.tables import Utc

Sort = Literal["name", "due"]

_package = tables.package.c
_NEVER = literal(datetime(9999, 1, 1, tzinfo=UTC), type_=Utc())
_ALWAYS = literal(datetime(1970, 1, 1, tzinfo=UTC), type_=Utc())


def package_page(
    ask: Ask,
    *,
    q: str | None,
    policy: str | None,
    cluster: str | None,
    protection: Protection | None,
    sort: Sort,
    limit: int,
    cursor: str | None,
) -> PackagePage:
    where = _where(q=q, policy=policy, cluster=cluster, protection=protection, now=ask.now)
    columns: list[Any] = [_package.policy, _package.package]
    kinds: list[type] = [str, str]
    if sort == "due":
        columns, kinds = [_urgency(), *columns], [datetime, *kinds]
    begin = after(columns, key=read_cursor(cursor, kinds=kinds), falls=False)
    with ask.reading() as connection:
        question = select(tables.package, _urgency().label("urgency")).where(*where, *begin)
        rows = connection.execute(question.order_by(*columns).limit(limit + 1)).all()
        total = connection.execute(
            select(func.count()).select_from(tables.package).where(*where)
        ).scalar_one()
        summary = _summary(connection, now=ask.now)
        shown = rows[:limit]
        views = _views(ask, connection, rows=shown)
    more = None
    if len(rows) > limit:
        last = shown[-1]
        key = [last.policy, last.package]
        more = write_cursor([last.urgency, *key] if sort == "due" else key)
    return PackagePage(**ask.envelope(total=total, cursor=more), summary=summary, packages=views)


def package_detail(ask: Ask, *, policy: str, package: str) -> PackageDetail:
    with ask.reading() as connection:
        row = connection.execute(
            select(tables.package).where(_package.policy == policy, _package.package == package)
        ).one_or_none()
        if row is None:
            raise not_found(f"package {package} of policy {policy}")
        (view,) = _views(ask, connection, rows=[row])
        told = connection.execute(
            select(tables.policy.c.document).where(tables.policy.c.policy == policy)
        ).scalar_one_or_none()
    clusters: tuple[str, ...] = ()
    if told is not None:
        known = ToldPolicy.model_validate_json(told)
        clusters = (known.source, *(each.cluster for each in known.targets))
    dags = PackageDags(
        migrate=migrate_dag_id(policy=policy),
        failover=failover_dag_id(policy=policy),
        failback=failback_dag_id(policy=policy),
        retention=retention_dag_id(policy=policy),
        checkpoint=tuple(json.loads(row.checkpoint_dags)),
    )
    return PackageDetail(**ask.detail(), package=view, dags=dags, clusters=clusters)


def _where(
    *,
    q: str | None,
    policy: str | None,
    cluster: str | None,
    protection: Protection | None,
    now: datetime,
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if q:
        names = (_package.package, _package.policy, _package.cluster, _package.workload)
        conditions.append(or_(*(contains(name, q) for name in names)))
    if policy is not None:
        conditions.append(_package.policy == policy)
    if cluster is not None:
        conditions.append(_package.cluster == cluster)
    if protection is not None:
        conditions.append(_protection(now) == protection.value)
    return conditions


def _urgency() -> Any:
    """What has no restore point comes first, then what is late; what nothing promises, last."""
    return case(
        (~_package.live, _NEVER),
        (_package.newest.is_(None), _ALWAYS),
        (_package.due.is_(None), _NEVER),
        else_=_package.due,
    )


def _protection(now: datetime) -> Any:
    return case(
        (~_package.live, Protection.COLD.value),
        (_package.newest.is_(None), Protection.NONE.value),
        (_package.due.is_(None), Protection.BY_HAND.value),
        (_package.due < now, Protection.LATE.value),
        else_=Protection.KEPT.value,
    )


def protection_of(row: Any, *, now: datetime) -> Protection:
    """The same of a row that was read."""
    if not row.live:
        return Protection.COLD
    if row.newest is None:
        return Protection.NONE
    if row.due is None:
        return Protection.BY_HAND
    return Protection.LATE if row.due < now else Protection.KEPT


def _summary(connection: Connection, *, now: datetime) -> PackageSummary:
    kind = _protection(now).label("kind")
    rows = connection.execute(select(kind, func.count()).select_from(tables.package).group_by(kind))
    counts = {Protection(name): int(count) for name, count in rows}
    return PackageSummary(packages=sum(counts.values()), by_protection=counts)


def _views(
    ask: Ask, connection: Connection, *, rows: Sequence[Row[Any]]
) -> tuple[PackageView, ...]:
    running = {(row.policy, row.package): row.cluster for row in rows if row.cluster is not None}
    goes = destinations(ask, connection, packages=running) if running else {}
    return tuple(
        _view(row, now=ask.now, goes_to=goes.get((row.policy, row.package))) for row in rows
    )


def _view(row: Any, *, now: datetime, goes_to: Destination | None) -> PackageView:
    newest = None
    if row.newest is not None:
        newest = PointGlance(
            id=row.newest,
            created=row.newest_created,
            verified=row.newest_verified,
            proven=row.newest_proven,
            size_bytes=row.newest_bytes,
        )
    age = None if newest is None else max(0.0, (now - newest.created).total_seconds())
    return PackageView(
        policy=row.policy,
        package=row.package,
        type=row.type,
        live=row.live,
        cluster=row.cluster,
        namespace=row.namespace,
        workload=f"{row.workload_kind} {row.workload}" if row.workload else None,
        protection=protection_of(row, now=now),
        promise_seconds=row.promise_seconds,
        schedule=row.schedule,
        rpo_seconds=age,
        due=row.due,
        newest=newest,
        newest_is_proven=row.newest_proven is not None,
        points=row.points,
        goes_to=goes_to,
    )
