"""GET /clusters: health, now or as soon as it changes."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response
from transition_wire.model import DnsSubdomain

from airflow_transition.core.health_report import ClusterReport, FleetReport
from airflow_transition.heartbeat.answers import answers
from airflow_transition.heartbeat.flusher import NotStoredError
from airflow_transition.heartbeat.people import Admin, AnyPerson, TheReceiver
from airflow_transition.heartbeat.receiver import Receiver
from airflow_transition.heartbeat.reports import cluster_report, fleet_report
from airflow_transition.heartbeat.watch import Watch
from airflow_transition.heartbeat.watches import TooManyGracePeriodsError

router = APIRouter(tags=["health"])

_JSON = "application/json"
_DAY_SECONDS = 86_400
_LONGEST_WAIT_SECONDS = 60

Grace = Annotated[
    float | None,
    Query(gt=0, le=_DAY_SECONDS, description="How long silence is tolerated; 20 s by default."),
]
After = Annotated[
    int | None,
    Query(
        ge=0,
        lt=2**53,
        description="Of an earlier report under the same grace period: wait until it differs.",
    ),
]
Wait = Annotated[float, Query(ge=0, le=_LONGEST_WAIT_SECONDS, description="At most so long.")]


@router.get(
    "/clusters",
    response_model=FleetReport,
    dependencies=[AnyPerson],
    responses=answers(429),
)
async def clusters(
    receiver: TheReceiver,
    grace_seconds: Grace = None,
    after: After = None,
    wait_seconds: Wait = 0.0,
) -> Response:
    """All clusters and nodes, judged by one grace period."""
    watch = _watch(receiver, grace_seconds=grace_seconds)
    if after is not None:
        await receiver.watches.wait(watch, after=after, seconds=wait_seconds)
    return Response(fleet_report(receiver, watch=watch).model_dump_json(), media_type=_JSON)


@router.get(
    "/clusters/{cluster}",
    response_model=ClusterReport,
    dependencies=[AnyPerson],
    responses=answers(404, 429),
)
async def cluster(
    receiver: TheReceiver, cluster: DnsSubdomain, grace_seconds: Grace = None
) -> Response:
    """One cluster."""
    watch = _watch(receiver, grace_seconds=grace_seconds)
    report = cluster_report(receiver, cluster=cluster, watch=watch)
    if report is None:
        raise HTTPException(404, f"no node of a cluster {cluster} was ever heard")
    return Response(report.model_dump_json(), media_type=_JSON)


@router.delete(
    "/clusters/{cluster}/nodes/{node}",
    status_code=204,
    dependencies=[Admin],
    responses=answers(),
)
async def forget_node(receiver: TheReceiver, cluster: DnsSubdomain, node: DnsSubdomain) -> None:
    """Forget a node that is gone for good: its silence counts no more. Repeatable."""
    try:
        await receiver.forget(cluster, node=node)
    except NotStoredError:
        raise HTTPException(503, "the receiver's database does not answer; try again") from None


def _watch(receiver: Receiver, *, grace_seconds: float | None) -> Watch:
    if grace_seconds is None:
        grace_seconds = receiver.settings.default_grace.total_seconds()
    try:
        return receiver.watches.of(grace_seconds)
    except TooManyGracePeriodsError:
        raise HTTPException(
            429, "too many grace periods are waited for at once; let policies share theirs"
        ) from None
