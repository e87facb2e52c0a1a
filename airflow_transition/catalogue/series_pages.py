"""Answer with numbers for pictures."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.asking import Ask, not_found
from airflow_transition.catalogue.series_views import (
    CostPoint,
    CostSeries,
    DowntimePoint,
    DowntimeSeries,
    RpoPoint,
    RpoSeries,
)
from airflow_transition.catalogue.transition_pages import story_filter
from airflow_transition.core.catalogue import TransitionKind, TransitionState

_WINDOW = timedelta(days=1)
_MOST_POINTS = 1000
STEPS = ("checkpoint", "upload", "image")
_point, _story, _package = tables.point.c, tables.story.c, tables.package.c


def rpo_series(
    ask: Ask, *, policy: str, package: str, since: datetime | None, until: datetime | None
) -> RpoSeries:
    end = min(until or ask.now, ask.now)
    begin = min(since or end - _WINDOW, end)
    mine = (_point.policy == policy, _point.package == package, _point.verified.is_not(None))
    moments = select(_point.created, _point.verified).where(*mine)
    with ask.reading() as connection:
        row = connection.execute(
            select(_package.promise_seconds).where(
                _package.policy == policy, _package.package == package
            )
        ).one_or_none()
        if row is None:
            raise not_found(f"package {package} of policy {policy}")
        inside = moments.where(_point.verified > begin, _point.verified <= end)
        made = connection.execute(inside.order_by(_point.verified.desc()).limit(_MOST_POINTS)).all()
        first = made[-1].verified if len(made) == _MOST_POINTS else begin
        newest = connection.execute(
            select(func.max(_point.created)).where(*mine, _point.verified <= first)
        ).scalar_one()
    known = [(one.created, one.verified) for one in reversed(made) if one.verified > first]
    return RpoSeries(
        policy=policy,
        package=package,
        promise_seconds=row.promise_seconds,
        since=first,
        until=end,
        points=tuple(saw(known, before=_moment(newest), since=first, until=end)),
    )


def saw(
    made: Sequence[tuple[datetime, datetime]],
    *,
    before: datetime | None,
    since: datetime,
    until: datetime,
) -> Iterator[RpoPoint]:
    """The RPO between two moments; `made` are restore points by when they were verified.

    One that is verified after a younger one changes nothing.
    """
    newest = before
    yield _rpo(since, newest=newest)
    for created, verified in made:
        if newest is None or created > newest:
            yield _rpo(verified, newest=newest)
            newest = created
            yield _rpo(verified, newest=newest)
    yield _rpo(until, newest=newest)


def _rpo(at: datetime, *, newest: datetime | None) -> RpoPoint:
    return RpoPoint(at=at, seconds=None if newest is None else (at - newest).total_seconds())


def _moment(value: Any) -> datetime | None:
    """An aggregate of moments keeps their type, in UTC."""
    found: datetime | None = value
    return found


def downtime_series(
    ask: Ask, *, policy: str | None, package: str | None, limit: int
) -> DowntimeSeries:
    where = [*story_filter(policy=policy, package=package), _story.ended.is_not(None)]
    columns = (
        _story.id,
        _story.kind,
        _story.state,
        _story.policy,
        _story.ended,
        _story.downtime_seconds,
        _story.rpo_seconds,
    )
    with ask.reading() as connection:
        rows = connection.execute(
            select(*columns).where(*where).order_by(_story.began.desc(), _story.id).limit(limit)
        ).all()
    points = tuple(
        DowntimePoint(
            id=row.id,
            kind=TransitionKind(row.kind),
            state=TransitionState(row.state),
            policy=row.policy,
            ended=row.ended,
            downtime_seconds=row.downtime_seconds,
            rpo_seconds=row.rpo_seconds,
        )
        for row in reversed(rows)
    )
    return DowntimeSeries(transitions=points)


def cost_series(ask: Ask, *, policy: str, package: str, limit: int) -> CostSeries:
    with ask.reading() as connection:
        rows = connection.execute(
            select(_point.id, _point.created, _point.size_bytes, _point.seconds)
            .where(_point.policy == policy, _point.package == package)
            .order_by(_point.created.desc(), _point.id.desc())
            .limit(limit)
        ).all()
    points = tuple(
        CostPoint(
            id=row.id,
            created=row.created,
            size_bytes=row.size_bytes,
            seconds=json.loads(row.seconds),
        )
        for row in reversed(rows)
    )
    steps = [*STEPS, *sorted({step for one in points for step in one.seconds} - set(STEPS))]
    return CostSeries(policy=policy, package=package, steps=tuple(steps), points=points)
