"""GET /catalogue/transitions: migrations, failovers and failbacks as stories."""

from typing import Annotated

from fastapi import APIRouter, Query

from airflow_transition.catalogue import transition_pages
from airflow_transition.catalogue.asking import TheAsk
from airflow_transition.catalogue.paging import BAD_CURSOR, CursorText, Limit, Name, Search
from airflow_transition.catalogue.transition_views import TransitionDetail, TransitionPage
from airflow_transition.core.catalogue import TransitionId, TransitionKind, TransitionState
from airflow_transition.heartbeat.answers import answers

router = APIRouter(prefix="/catalogue", tags=["catalogue"])


@router.get("/transitions", responses=answers() | BAD_CURSOR)
def transitions(
    ask: TheAsk,
    *,
    q: Search = None,
    policy: Name = None,
    package: Name = None,
    cluster: Name = None,
    kind: TransitionKind | None = None,
    state: TransitionState | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> TransitionPage:
    """Transitions, newest first."""
    return transition_pages.transition_page(
        ask,
        q=q,
        policy=policy,
        package=package,
        cluster=cluster,
        kind=kind,
        state=state,
        limit=limit,
        cursor=cursor,
    )


@router.get("/transition", responses=answers(404))
def transition(
    ask: TheAsk, story_id: Annotated[TransitionId, Query(alias="id")]
) -> TransitionDetail:
    """One transition: its plan, evidence, steps, and what to do if it failed."""
    return transition_pages.transition_detail(ask, story_id=story_id)
