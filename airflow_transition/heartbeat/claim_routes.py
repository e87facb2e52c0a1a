"""Claims and fences: who may move a lost cluster's packages, and how sure its end is."""

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Query
from fastapi.responses import JSONResponse
from pydantic import Field
from transition_wire.model import DnsLabel, DnsSubdomain, WireModel

from airflow_transition.core.claim import Claim, ClaimRefusal, ClaimRequest, PackageFence
from airflow_transition.heartbeat import claim_rows
from airflow_transition.heartbeat.answers import answers
from airflow_transition.heartbeat.people import AnyPerson, Operator, TheReceiver
from airflow_transition.heartbeat.receiver import Receiver
from airflow_transition.heartbeat.reports import fleet_report, package_fences
from airflow_transition.heartbeat.watches import TooManyGracePeriodsError

router = APIRouter(tags=["failover"])

_MOST_PACKAGES = 10_000
_STATUS = {"taken": 409, "epoch": 409, "heard": 409, "limit": 429}
ClaimId = Annotated[str, Field(min_length=1, max_length=600, pattern=r"^[^\x00]*$")]


class ClaimEnd(WireModel):
    """That a failover is over."""

    id: ClaimId
    outcome: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


@router.post(
    "/clusters/{cluster}/claims",
    status_code=201,
    response_model=Claim,
    dependencies=[Operator],
    responses={
        **answers(400, 413),
        200: {"model": Claim, "description": "The same run has it already"},
        409: {
            "model": ClaimRefusal,
            "description": "Taken, the epoch has risen, or agents are heard",
        },
        429: {"model": ClaimRefusal, "description": "Too much would move at once"},
    },
)
async def claim(
    receiver: TheReceiver, cluster: DnsSubdomain, request: Annotated[ClaimRequest, Body()]
) -> JSONResponse:
    """Ask for the right to move a policy's packages away from a cluster."""
    if "\0" in request.run or len(request.packages) > _MOST_PACKAGES:
        raise HTTPException(400, f"no NUL in a run, at most {_MOST_PACKAGES} packages in a claim")
    await _require_news(receiver)  # what other receivers heard counts
    try:
        fleet = fleet_report(receiver, watch=receiver.watches.of(request.grace_seconds))
    except TooManyGracePeriodsError:
        raise HTTPException(503, "too many grace periods are waited for at once") from None
    answer, is_new = await receiver.change(
        lambda: claim_rows.give_claim(
            receiver.store, cluster=cluster, request=request, fleet=fleet, now=receiver.moment()
        ),
        statements=4,
    )
    if isinstance(answer, ClaimRefusal):
        receiver.metrics.claims[answer.reason].inc()
        status = _STATUS[answer.reason]
    else:
        receiver.metrics.claims["given" if is_new else "repeated"].inc()
        status = 201 if is_new else 200
    return JSONResponse(answer.model_dump(mode="json"), status_code=status)


@router.get("/claims", dependencies=[AnyPerson], responses=answers())
async def claims(
    receiver: TheReceiver,
    cluster: DnsSubdomain | None = None,
    policy: DnsSubdomain | None = None,
    is_open: Annotated[bool | None, Query(alias="open")] = None,
) -> list[Claim]:
    """Newest first, at most 1,000."""
    return await receiver.writer.read(
        lambda: claim_rows.list_claims(
            receiver.store, cluster=cluster, policy=policy, is_open=is_open
        )
    )


@router.get("/claims/fences", dependencies=[AnyPerson], responses=answers(404))
async def fences(
    receiver: TheReceiver, claim_id: Annotated[ClaimId, Query(alias="id")]
) -> list[PackageFence]:
    """How far each package of the claim is kept from running on the cluster that was given up."""
    found = await receiver.writer.read(
        lambda: claim_rows.find_claim(receiver.store, claim_id=claim_id)
    )
    if found is None:
        raise HTTPException(404, "there is no such claim")
    await _require_news(receiver)
    return package_fences(receiver, claim=found)


async def _require_news(receiver: Receiver) -> None:
    if not await receiver.flush():
        raise HTTPException(503, "the receiver's database does not answer; try again")


@router.post("/claims/end", dependencies=[Operator], responses=answers(400, 404, 413))
async def end(receiver: TheReceiver, request: Annotated[ClaimEnd, Body()]) -> Claim:
    """The failover is over. Repeatable: the first outcome stays."""
    ended = await receiver.change(
        lambda: claim_rows.end_claim(
            receiver.store, claim_id=request.id, outcome=request.outcome, now=receiver.moment()
        ),
        statements=2,
    )
    if ended is None:
        raise HTTPException(404, "there is no such claim")
    return ended


@router.delete(
    "/clusters/{cluster}/fences/{namespace}/{package}",
    status_code=204,
    dependencies=[Operator],
    responses=answers(),
)
async def lift(
    receiver: TheReceiver, cluster: DnsSubdomain, namespace: DnsLabel, package: DnsLabel
) -> None:
    """The package is to run there again. Repeatable."""
    await receiver.change(
        lambda: claim_rows.lift_fences(
            receiver.store, cluster=cluster, namespace=namespace, package=package
        ),
        statements=2,
    )
