"""Compare the catalogue with what S3 lists: say what is missing, and forget what is gone."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select, update

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.telling import forget_points, forget_stories, raise_version
from airflow_transition.core.catalogue import (
    SurveyedClusters,
    SurveyedPlace,
    SurveyedStories,
    Wanted,
)
from airflow_transition.heartbeat.store import Store

_point, _story = tables.point, tables.story


def survey_place(store: Store, survey: SurveyedPlace) -> Wanted:
    """Of one workload in one cluster."""
    with store.reading() as connection, connection.begin():
        rows = connection.execute(
            select(
                *(_point.c.id, _point.c.verified, _point.c.pinned_by, _point.c.proven),
                _point.c.told,
            ).where(
                _point.c.cluster == survey.cluster,
                _point.c.namespace == survey.namespace,
                _point.c.workload == survey.workload,
            )
        ).all()
        listed, pinned, proven = set(survey.points), set(survey.pinned), set(survey.proven)
        gone = [one.id for one in rows if one.id not in listed and one.told < survey.begun]
        loose = [
            one.id
            for one in rows
            if one.pinned_by and one.id in listed - pinned and one.told < survey.begun
        ]
        if gone or loose:
            raise_version(store, connection)
            forget_points(connection, ids=gone)
            _unpin(connection, ids=loose)
        complete = {
            one.id
            for one in rows
            if one.verified
            and (one.pinned_by or one.id not in pinned)
            and (one.proven or one.id not in proven)
        }
    return Wanted(ids=tuple(sorted(listed - complete)), forgotten=len(gone))


def survey_stories(store: Store, survey: SurveyedStories) -> Wanted:
    """Of one policy's transitions; one that is not over is asked for again."""
    with store.reading() as connection, connection.begin():
        rows = connection.execute(
            select(_story.c.id, _story.c.ended, _story.c.told).where(
                _story.c.policy == survey.policy
            )
        ).all()
        listed = set(survey.ids)
        gone = [one.id for one in rows if one.id not in listed and one.told < survey.begun]
        if gone:
            raise_version(store, connection)
            forget_stories(connection, ids=gone)
        over = {one.id for one in rows if one.ended is not None}
    return Wanted(ids=tuple(sorted(listed - over)), forgotten=len(gone))


def survey_clusters(store: Store, survey: SurveyedClusters) -> Wanted:
    """A workload whose last restore point is gone has no folder any more."""
    kept = set(survey.places)
    with store.reading() as connection, connection.begin():
        gone = [
            one.id
            for cluster in survey.clusters
            for one in _points_of(connection, cluster=cluster)
            if (one.cluster, one.namespace, one.workload) not in kept and one.told < survey.begun
        ]
        if gone:
            raise_version(store, connection)
            forget_points(connection, ids=gone)
    return Wanted(ids=(), forgotten=len(gone))


def _points_of(connection: Connection, *, cluster: str) -> Iterable[Any]:
    columns = (
        _point.c.id,
        _point.c.cluster,
        _point.c.namespace,
        _point.c.workload,
        _point.c.told,
    )
    return connection.execute(select(*columns).where(_point.c.cluster == cluster)).all()


def _unpin(connection: Connection, *, ids: list[str]) -> None:
    loose = {"pinned_by": None, "pinned_why": None, "pinned": None}
    for one in ids:
        connection.execute(update(_point).where(_point.c.id == one).values(loose))
