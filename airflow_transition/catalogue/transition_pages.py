"""Answer for the page Transitions."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, func, or_, select

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.asking import Ask, not_found
from airflow_transition.catalogue.paging import after, contains, read_cursor, write_cursor
from airflow_transition.catalogue.transition_views import (
    TransitionDetail,
    TransitionPage,
    TransitionView,
)
from airflow_transition.catalogue.views import Link
from airflow_transition.core.catalogue import ToldTransition, TransitionKind, TransitionState
from airflow_transition.links import image_url

_story = tables.story.c
_FEW = 10
_MOST_IMAGES = 100


def transition_page(
    ask: Ask,
    *,
    q: str | None,
    policy: str | None,
    package: str | None,
    cluster: str | None,
    kind: TransitionKind | None,
    state: TransitionState | None,
    limit: int,
    cursor: str | None,
) -> TransitionPage:
    where: list[ColumnElement[bool]] = list(story_filter(policy=policy, package=package))
    if q:
        names = (_story.id, _story.source, _story.target, _story.packages)
        where.append(or_(*(contains(name, q) for name in names)))
    if cluster is not None:
        where.append(or_(_story.source == cluster, _story.target == cluster))
    if kind is not None:
        where.append(_story.kind == kind.value)
    if state is not None:
        where.append(_story.state == state.value)
    key = read_cursor(cursor, kinds=(datetime, str))
    begin = after([_story.began, _story.id], key=key, falls=True)
    columns = [column for column in tables.story.c if column.name != "document"]
    with ask.reading() as connection:
        rows = connection.execute(
            select(*columns)
            .where(*where, *begin)
            .order_by(_story.began.desc(), _story.id.desc())
            .limit(limit + 1)
        ).all()
        total = connection.execute(
            select(func.count()).select_from(tables.story).where(*where)
        ).scalar_one()
    shown = rows[:limit]
    more = write_cursor([shown[-1].began, shown[-1].id]) if len(rows) > limit else None
    return TransitionPage(
        **ask.envelope(total=total, cursor=more), transitions=tuple(map(_view, shown))
    )


def story_filter(*, policy: str | None, package: str | None) -> Iterator[ColumnElement[bool]]:
    if policy is not None:
        yield _story.policy == policy
    if package is not None:
        moved = tables.moved.c
        these = select(moved.story).where(moved.package == package)
        if policy is not None:
            these = these.where(moved.policy == policy)
        yield _story.id.in_(these)


def transition_detail(ask: Ask, *, story_id: str) -> TransitionDetail:
    with ask.reading() as connection:
        row = connection.execute(select(tables.story).where(_story.id == story_id)).one_or_none()
    if row is None:
        raise not_found(f"transition {story_id}")
    told = ToldTransition.model_validate_json(row.document)
    return TransitionDetail(
        **ask.detail(),
        transition=_view(row),
        plan=told.plan,
        evidence=told.evidence,
        fencing=told.fencing,
        steps=told.steps,
        rpo_by_package=told.rpo_seconds,
        links=tuple(_links(told)),
        next_step=told.next_step,
    )


def _view(row: Any) -> TransitionView:
    packages = json.loads(row.packages)
    return TransitionView(
        id=row.id,
        kind=TransitionKind(row.kind),
        state=TransitionState(row.state),
        policy=row.policy,
        packages=tuple(packages[:_FEW]),
        packages_total=len(packages),
        source=row.source,
        target=row.target,
        began=row.began,
        ended=row.ended,
        downtime_seconds=row.downtime_seconds,
        rpo_seconds=row.rpo_seconds,
        outcome=row.outcome,
        approved_by=row.approved_by,
    )


def _links(told: ToldTransition) -> Iterator[Link]:
    dag_id, _, run_id = told.run.partition("/")
    if dag_id and run_id:
        path = f"/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
        yield Link(kind="run", text=told.run, url=path)
    if told.commit:
        yield Link(kind="commit", text=told.commit, url=_web(told.commit_url))
    for image in told.images[:_MOST_IMAGES]:
        yield Link(kind="image", text=image, url=image_url(image) if "@" in image else None)
    for point in told.restore_points[:_MOST_IMAGES]:
        yield Link(kind="archive", text=point, url=None)


def _web(url: str | None) -> str | None:
    """A browser opens nothing else that somebody told."""
    return url if url and url.startswith(("https://", "http://")) else None
