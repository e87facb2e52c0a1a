"""What tasks tell the catalogue, and whether anything in it has changed."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, HTTPException, Query, Request

from airflow_transition.catalogue import surveying, telling
from airflow_transition.catalogue.asking import watched
from airflow_transition.catalogue.versions import Versions
from airflow_transition.catalogue.views import Me, Version
from airflow_transition.core.catalogue import (
    SurveyedClusters,
    SurveyedPlace,
    SurveyedStories,
    Told,
    Wanted,
)
from airflow_transition.heartbeat.answers import answers
from airflow_transition.heartbeat.people import AnyPerson, Operator, ThePerson, TheReceiver
from airflow_transition.heartbeat.watch import Watch

router = APIRouter(prefix="/catalogue", tags=["catalogue"])

_LONGEST_WAIT_SECONDS = 60
_MAY_TELL = [Operator]
_TELLING = answers(400, 413)


@router.get("/me", responses=answers())
def me(person: ThePerson) -> Me:
    """Who asks, and what the person may do."""
    return Me(name=person.name, may_trigger=person.may_trigger(), is_admin=person.is_admin())


@router.get("/version", dependencies=[AnyPerson], responses=answers())
async def version(
    request: Request,
    watch: Annotated[Watch, Depends(watched)],
    after: Annotated[str | None, Query(max_length=200)] = None,
    wait_seconds: Annotated[float, Query(ge=0, le=_LONGEST_WAIT_SECONDS)] = 0.0,
) -> Version:
    """Of all that pages show; with `after` as soon as it differs from that one."""
    versions: Versions = request.app.state.versions
    if after is None:
        return await versions.current(watch)
    return await versions.after(after, watch=watch, seconds=wait_seconds)


@router.post("/told", status_code=204, dependencies=_MAY_TELL, responses=_TELLING)
def told(receiver: TheReceiver, request: Request, body: Annotated[Told, Body()]) -> None:
    """What happened, as far as S3 holds it already. Repeatable."""
    try:
        telling.tell(receiver.store, body, now=receiver.moment())
    except (OverflowError, ValueError):
        raise HTTPException(400, "a time or a number in it is beyond all bounds") from None
    request.app.state.versions.look_again()


@router.post("/surveys/place", dependencies=_MAY_TELL, responses=_TELLING)
def survey_place(receiver: TheReceiver, body: Annotated[SurveyedPlace, Body()]) -> Wanted:
    """What S3 lists of a workload: gives what is to be told, and forgets what is gone."""
    return surveying.survey_place(receiver.store, body)


@router.post("/surveys/stories", dependencies=_MAY_TELL, responses=_TELLING)
def survey_stories(receiver: TheReceiver, body: Annotated[SurveyedStories, Body()]) -> Wanted:
    """What S3 lists of a policy's transitions: the same."""
    return surveying.survey_stories(receiver.store, body)


@router.post("/surveys/clusters", dependencies=_MAY_TELL, responses=_TELLING)
def survey_clusters(receiver: TheReceiver, body: Annotated[SurveyedClusters, Body()]) -> Wanted:
    """All workloads of some clusters: forgets those that have no restore point any more."""
    return surveying.survey_clusters(receiver.store, body)
