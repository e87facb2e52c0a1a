"""GET /catalogue/fleet: clusters as people want to see them."""

from typing import Annotated

from fastapi import APIRouter, Query
from transition_wire.model import DnsSubdomain

from airflow_transition.catalogue import fleet_pages
from airflow_transition.catalogue.asking import TheAsk
from airflow_transition.catalogue.fleet_views import ClusterDetail, FleetPage, Standing
from airflow_transition.catalogue.paging import BAD_CURSOR, CursorText, Limit, Search
from airflow_transition.heartbeat.answers import answers

router = APIRouter(prefix="/catalogue", tags=["catalogue"])


@router.get("/fleet", responses=answers() | BAD_CURSOR)
def fleet(
    ask: TheAsk,
    *,
    q: Search = None,
    standing: Standing | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> FleetPage:
    """Clusters with their health, what they carry and what they can restore."""
    return fleet_pages.fleet_page(ask, q=q, standing=standing, limit=limit, cursor=cursor)


@router.get("/cluster", responses=answers(404))
def cluster(ask: TheAsk, name: Annotated[DnsSubdomain, Query()]) -> ClusterDetail:
    """One cluster with its nodes."""
    return fleet_pages.cluster_detail(ask, cluster=name)
