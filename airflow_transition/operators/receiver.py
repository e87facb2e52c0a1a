"""The receiver of heartbeats, where there is one, and what it is told when a package moves."""

import logging
from typing import TYPE_CHECKING

from transition_wire.heartbeat import Lease, PodCopy

from airflow_transition import outside
from airflow_transition.core.failover import FailoverPlan
from airflow_transition.core.policy import ClusterPolicy

if TYPE_CHECKING:
    from airflow_transition.hooks.heartbeat import HeartbeatHook

log = logging.getLogger(__name__)


def receiver_of(policy: ClusterPolicy) -> "HeartbeatHook | None":
    """The receiver; None where no connection leads to one and the policy can do without.

    Faults are only heard of through a receiver, and leases are only given by one.
    """
    failover = policy.spec.failover
    needed = failover.mode != "Manual" or failover.lease_seconds is not None
    return outside.receiver() if needed else receiver_if_any()


def receiver_for(plan: FailoverPlan) -> "HeartbeatHook | None":
    """The receiver by which the plan was made: without its claim nothing goes on."""
    return None if plan.epoch is None else outside.receiver()


def receiver_if_any() -> "HeartbeatHook | None":
    """The receiver; None where no connection leads to one."""
    from airflow_transition.hooks.connection import ConnectionNotGivenError  # noqa: PLC0415 - heavy

    receiver = outside.receiver()
    try:
        receiver.client  # noqa: B018 - reads the connection
    except ConnectionNotGivenError as error:
        log.info("no receiver of heartbeats: %s", error)
        return None
    return receiver


def given_up_on(
    receiver: "HeartbeatHook | None", *, cluster: str, is_open: bool | None = None
) -> frozenset[str]:
    """Packages that a failover has taken away from a cluster: they may be fenced there.

    `is_open`: only by one that is under way, or only by one that is over.
    """
    claims = () if receiver is None else receiver.claims(cluster=cluster, is_open=is_open)
    return frozenset(copy.package for claim in claims for copy in claim.packages)


def admit(
    receiver: "HeartbeatHook | None",
    *,
    cluster: str,
    pods: PodCopy,
    lease_seconds: float | None,
    fenced: bool = True,
) -> None:
    """Let a package run on a cluster: no fence holds it back, and its lease waits for it.

    `fenced`: it may be; False saves a call for each of many packages.
    """
    if receiver is None:
        return
    if fenced:
        receiver.lift_fence(cluster, namespace=pods.namespace, package=pods.package)
    if lease_seconds is not None:
        receiver.put_lease(cluster, lease_for(pods, seconds=lease_seconds))


def lease_for(pods: PodCopy, *, seconds: float) -> Lease:
    return Lease(**pods.model_dump(), duration_seconds=seconds)
