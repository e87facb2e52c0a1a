"""GET /catalogue/series: numbers for pictures."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from transition_wire.model import DnsLabel, DnsSubdomain

from airflow_transition.catalogue import series_pages
from airflow_transition.catalogue.asking import TheAsk
from airflow_transition.catalogue.paging import Name
from airflow_transition.catalogue.series_views import CostSeries, DowntimeSeries, RpoSeries
from airflow_transition.heartbeat.answers import answers

router = APIRouter(prefix="/catalogue/series", tags=["catalogue"])

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
Moment = Annotated[AwareDatetime | None, Query(ge=_FIRST, le=_LAST)]
Policy = Annotated[DnsSubdomain, Query()]
Package = Annotated[DnsLabel, Query()]
Most = Annotated[int, Query(ge=1, le=1000, description="The newest so many.")]


@router.get("/rpo", responses=answers(404))
def rpo(
    ask: TheAsk, policy: Policy, package: Package, since: Moment = None, until: Moment = None
) -> RpoSeries:
    """A package's RPO over time; the last day by default."""
    return series_pages.rpo_series(ask, policy=policy, package=package, since=since, until=until)


@router.get("/downtime", responses=answers())
def downtime(
    ask: TheAsk, policy: Name = None, package: Name = None, limit: Most = 100
) -> DowntimeSeries:
    """Downtime of each transition that is over."""
    return series_pages.downtime_series(ask, policy=policy, package=package, limit=limit)


@router.get("/cost", responses=answers())
def cost(ask: TheAsk, policy: Policy, package: Package, limit: Most = 100) -> CostSeries:
    """Bytes and seconds of each step of a package's restore points."""
    return series_pages.cost_series(ask, policy=policy, package=package, limit=limit)
