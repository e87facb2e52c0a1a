"""Answer for the page Restore points."""

import json
import re
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from transition_wire.archive_name import record_key

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.asking import Ask, not_found
from airflow_transition.catalogue.paging import after, read_cursor, write_cursor
from airflow_transition.catalogue.point_views import (
    ContainerView,
    PointDetail,
    PointPage,
    PointView,
)
from airflow_transition.catalogue.telling import raise_version
from airflow_transition.catalogue.views import Link, Pinned
from airflow_transition.core.pin import Pin
from airflow_transition.core.policy_rules import failover_dag_id
from airflow_transition.core.restore_points import ContainerCheckpoint, RestorePoint
from airflow_transition.heartbeat.store import Store
from airflow_transition.links import image_url

_point = tables.point.c
_LIKE_A_TIME = re.compile(r"\d[tTzZ]|[tT]\d")
_RECORD_SUFFIX = record_key("")


def point_page(
    ask: Ask,
    *,
    q: str | None,
    policy: str | None,
    package: str | None,
    cluster: str | None,
    pinned: bool | None,
    verified: bool | None,
    limit: int,
    cursor: str | None,
) -> PointPage:
    where: list[ColumnElement[bool]] = []
    if q:
        where.append(_named(q))
    for column, value in (
        (_point.policy, policy),
        (_point.package, package),
        (_point.cluster, cluster),
    ):
        if value is not None:
            where.append(column == value)
    for column, wanted in ((_point.pinned_by, pinned), (_point.verified, verified)):
        if wanted is not None:
            where.append(column.is_not(None) if wanted else column.is_(None))
    key = read_cursor(cursor, kinds=(datetime, str))
    begin = after([_point.created, _point.id], key=key, falls=True)
    with ask.reading() as connection:
        rows = connection.execute(
            select(tables.point)
            .where(*where, *begin)
            .order_by(_point.created.desc(), _point.id.desc())
            .limit(limit + 1)
        ).all()
        total = connection.execute(
            select(func.count()).select_from(tables.point).where(*where)
        ).scalar_one()
    shown = rows[:limit]
    more = write_cursor([shown[-1].created, shown[-1].id]) if len(rows) > limit else None
    return PointPage(
        **ask.envelope(total=total, cursor=more),
        points=tuple(map(_view, shown)),
    )


def point_detail(ask: Ask, *, point_id: str) -> PointDetail:
    with ask.reading() as connection:
        document = tables.point_document.c
        row = connection.execute(
            select(tables.point, document.document).where(
                _point.id == point_id, document.id == _point.id
            )
        ).one_or_none()
    if row is None:
        raise not_found(f"restore point {point_id}")
    point = RestorePoint.model_validate_json(row.document)
    return PointDetail(
        **ask.detail(),
        point=_view(row),
        workload_kind=point.workload_kind,
        pod=point.pod,
        containers=tuple(_container(one) for one in point.containers),
        facts=point.node,
        restore_with=failover_dag_id(policy=point.policy),
    )


def _named(q: str) -> ColumnElement[bool]:
    """Names in an id are lower case, the T and Z of its time are not: no row has to be converted.

    Of 100,000 restore points a conversion would cost a tenth of a second.
    """
    forms = {q.lower()} | ({q.upper()} if _LIKE_A_TIME.search(q) else set())
    return or_(*(_point.id.contains(form, autoescape=True) for form in sorted(forms)))


def is_known(ask: Ask, *, point_id: str) -> bool:
    with ask.reading() as connection:
        found = connection.execute(select(_point.id).where(_point.id == point_id))
        return found.scalar_one_or_none() is not None


def write_pin(store: Store, *, point_id: str, pin: Pin | None) -> None:
    """What S3 holds now; None: no pin."""
    with store.reading() as connection, connection.begin():
        raise_version(store, connection)
        values = {
            "pinned_by": pin.by if pin else None,
            "pinned_why": pin.why if pin else None,
            "pinned": pin.pinned if pin else None,
        }
        connection.execute(update(tables.point).where(_point.id == point_id).values(values))


def _view(row: Any) -> PointView:
    pinned = None
    if row.pinned_by is not None:
        pinned = Pinned(by=row.pinned_by, why=row.pinned_why or "", pinned=row.pinned)
    return PointView(
        id=row.id,
        policy=row.policy,
        package=row.package,
        cluster=row.cluster,
        namespace=row.namespace,
        workload=row.workload,
        node=row.node,
        created=row.created,
        verified=row.verified,
        proven=row.proven,
        size_bytes=row.size_bytes,
        seconds=json.loads(row.seconds),
        containers=row.containers,
        pinned=pinned,
    )


def _container(one: ContainerCheckpoint) -> ContainerView:
    archive = one.record_key.removesuffix(_RECORD_SUFFIX)
    return ContainerView(
        container=one.container,
        digest=one.digest,
        size_bytes=one.size_bytes,
        image=one.image,
        base_image=one.base_image.name,
        links=(
            Link(kind="image", text=one.image, url=image_url(one.image)),
            Link(kind="archive", text=archive, url=None),
        ),
    )
