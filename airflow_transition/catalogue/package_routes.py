"""GET /catalogue/packages: how well each package is protected."""

from typing import Annotated

from fastapi import APIRouter, Query
from transition_wire.model import DnsLabel, DnsSubdomain

from airflow_transition.catalogue import package_pages
from airflow_transition.catalogue.asking import TheAsk
from airflow_transition.catalogue.package_pages import Sort
from airflow_transition.catalogue.package_views import PackageDetail, PackagePage, Protection
from airflow_transition.catalogue.paging import BAD_CURSOR, CursorText, Limit, Name, Search
from airflow_transition.heartbeat.answers import answers

router = APIRouter(prefix="/catalogue", tags=["catalogue"])


@router.get("/packages", responses=answers() | BAD_CURSOR)
def packages(
    ask: TheAsk,
    *,
    q: Search = None,
    policy: Name = None,
    cluster: Name = None,
    protection: Protection | None = None,
    sort: Sort = "name",
    limit: Limit = 50,
    cursor: CursorText = None,
) -> PackagePage:
    """Packages with their RPO, and where each would go if its cluster died this minute."""
    return package_pages.package_page(
        ask,
        q=q,
        policy=policy,
        cluster=cluster,
        protection=protection,
        sort=sort,
        limit=limit,
        cursor=cursor,
    )


@router.get("/package", responses=answers(404))
def package(
    ask: TheAsk, policy: Annotated[DnsSubdomain, Query()], package: Annotated[DnsLabel, Query()]
) -> PackageDetail:
    """One package, and the DAGs that a person can start for it."""
    return package_pages.package_detail(ask, policy=policy, package=package)
