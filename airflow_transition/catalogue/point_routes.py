"""GET /catalogue/restore-points, and their pins."""

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Query, Request

from airflow_transition.catalogue import point_pages
from airflow_transition.catalogue.asking import TheAsk, not_found
from airflow_transition.catalogue.paging import BAD_CURSOR, CursorText, Limit, Name, Search
from airflow_transition.catalogue.pins import BadGateway, Pins
from airflow_transition.catalogue.point_views import PointDetail, PointPage
from airflow_transition.catalogue.views import Pinned, PinRequest
from airflow_transition.core.catalogue import PointId
from airflow_transition.core.errors import TransitionError
from airflow_transition.heartbeat.answers import answers
from airflow_transition.heartbeat.people import Operator, ThePerson

router = APIRouter(prefix="/catalogue", tags=["catalogue"])

_BAD_GATEWAY = 502
Id = Annotated[PointId, Query(alias="id", description="Of a restore point.")]


@router.get("/restore-points", responses=answers() | BAD_CURSOR)
def points(
    ask: TheAsk,
    *,
    q: Search = None,
    policy: Name = None,
    package: Name = None,
    cluster: Name = None,
    pinned: bool | None = None,
    verified: bool | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> PointPage:
    """Restore points, newest first."""
    return point_pages.point_page(
        ask,
        q=q,
        policy=policy,
        package=package,
        cluster=cluster,
        pinned=pinned,
        verified=verified,
        limit=limit,
        cursor=cursor,
    )


@router.get("/restore-point", responses=answers(404))
def point(ask: TheAsk, point_id: Id) -> PointDetail:
    """One restore point with its archives, images and the facts of its node."""
    return point_pages.point_detail(ask, point_id=point_id)


@router.put("/pin", dependencies=[Operator], responses=answers(400, 404, 413) | BadGateway)
def pin(
    ask: TheAsk,
    request: Request,
    person: ThePerson,
    point_id: Id,
    body: Annotated[PinRequest, Body()],
) -> Pinned:
    """Keep a restore point, whatever its policy says. Again: replaces who and why."""
    if not point_pages.is_known(ask, point_id=point_id):
        raise not_found(f"restore point {point_id}")
    try:
        made = _pins(request).pin(point_id, by=person.name, why=body.why, now=ask.now)
    except TransitionError as error:
        raise HTTPException(_BAD_GATEWAY, str(error)) from error
    if made is None:
        raise not_found(f"restore point {point_id} in S3")
    point_pages.write_pin(ask.receiver.store, point_id=point_id, pin=made)
    request.app.state.versions.look_again()
    return Pinned(by=made.by, why=made.why, pinned=made.pinned)


@router.delete("/pin", status_code=204, dependencies=[Operator], responses=answers() | BadGateway)
def unpin(ask: TheAsk, request: Request, point_id: Id) -> None:
    """Leave the restore point to its policy again. Repeatable."""
    try:
        _pins(request).unpin(point_id)
    except TransitionError as error:
        raise HTTPException(_BAD_GATEWAY, str(error)) from error
    point_pages.write_pin(ask.receiver.store, point_id=point_id, pin=None)
    request.app.state.versions.look_again()


def _pins(request: Request) -> Pins:
    pins: Pins = request.app.state.pins
    return pins
