"""Leases: packages whose pods answer only as long as their node renews them here."""

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException
from transition_wire.heartbeat import Lease
from transition_wire.model import DnsLabel, DnsSubdomain

from airflow_transition.heartbeat import lease_rows
from airflow_transition.heartbeat.answers import answers
from airflow_transition.heartbeat.people import AnyPerson, Operator, TheReceiver

router = APIRouter(tags=["leases"])

_PATH = "/clusters/{cluster}/leases/{namespace}/{package}"


@router.get("/clusters/{cluster}/leases", dependencies=[AnyPerson], responses=answers())
async def leases(receiver: TheReceiver, cluster: DnsSubdomain) -> list[Lease]:
    """All that the cluster's heartbeats renew, and those of fenced packages, which none renews."""
    return list(receiver.promises.of(cluster).leases)


@router.put(_PATH, dependencies=[Operator], responses=answers(400, 409, 413))
async def put(
    receiver: TheReceiver,
    cluster: DnsSubdomain,
    namespace: DnsLabel,
    package: DnsLabel,
    lease: Annotated[Lease, Body()],
) -> Lease:
    """Each trusted heartbeat of the cluster renews it from now on. Repeatable."""
    if (lease.namespace, lease.package) != (namespace, package):
        raise HTTPException(400, "the path and the body name different packages")
    try:
        await receiver.change(
            lambda: lease_rows.put_lease(receiver.store, cluster=cluster, lease=lease),
            statements=2,
        )
    except lease_rows.FencedError:
        raise HTTPException(409, "the package is fenced there; lift its fences first") from None
    return lease


@router.delete(_PATH, status_code=204, dependencies=[Operator], responses=answers())
async def withdraw(
    receiver: TheReceiver, cluster: DnsSubdomain, namespace: DnsLabel, package: DnsLabel
) -> None:
    """No heartbeat renews it any more. Repeatable."""
    await receiver.change(
        lambda: lease_rows.withdraw_lease(
            receiver.store, cluster=cluster, namespace=namespace, package=package
        ),
        statements=2,
    )
