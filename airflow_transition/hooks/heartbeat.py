"""All that tasks ask of the receiver of heartbeats: health, claims, fences and leases."""

from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

from airflow.sdk import BaseHook
from pydantic import TypeAdapter, ValidationError
from transition_wire.heartbeat import Lease

from airflow_transition.core.claim import Claim, ClaimRefusal, ClaimRequest, PackageFence
from airflow_transition.core.health_report import ClusterReport, FleetReport
from airflow_transition.hooks.receiver_client import Call, Query, ReceiverClient
from airflow_transition.hooks.receiver_connection import read_receiver_settings
from airflow_transition.hooks.receiver_errors import (
    Answer,
    NotKnownToReceiverError,
    PackageFencedError,
    refusal,
    unreadable,
)

LONGEST_WAIT = timedelta(seconds=60)
"""That the receiver allows for one long poll."""

_CLAIMS: TypeAdapter[tuple[Claim, ...]] = TypeAdapter(tuple[Claim, ...])
_FENCES: TypeAdapter[tuple[PackageFence, ...]] = TypeAdapter(tuple[PackageFence, ...])
_LEASES: TypeAdapter[tuple[Lease, ...]] = TypeAdapter(tuple[Lease, ...])
_FLEET = TypeAdapter(FleetReport)
_CLUSTER = TypeAdapter(ClusterReport)
_CLAIM = TypeAdapter(Claim)
_REFUSAL = TypeAdapter(ClaimRefusal)

_NO_SUCH_PAGE = frozenset({"", "Not Found"})
"""What a server says of a path that it does not have, rather than of a name."""

T = TypeVar("T")


class HeartbeatHook(BaseHook):
    """Speaks to the receiver of heartbeats as the Airflow user of an http connection.

    Every call can be repeated: a claim is given to the same run again, and ending it, lifting a
    fence or deleting a lease a second time changes nothing.
    """

    def __init__(self, receiver_conn_id: str = "transition_receiver") -> None:
        super().__init__()
        self.receiver_conn_id = receiver_conn_id

    @cached_property
    def client(self) -> ReceiverClient:
        return ReceiverClient(read_receiver_settings(self.receiver_conn_id))

    def fleet(
        self, *, grace: timedelta, after: int | None = None, wait: timedelta = timedelta(0)
    ) -> FleetReport:
        """All clusters; with `after`, when the health of any differs from that version's.

        `wait` is at most a minute; when nothing changed until then, the same version is given.
        """
        call = fleet_call(self._url("clusters"), grace=grace, after=after, wait=wait)
        return parsed(_FLEET, self.client.send(call), where=call.where)

    def cluster(self, cluster: str, *, grace: timedelta) -> ClusterReport:
        """One cluster; NotKnownToReceiverError if no agent of it was ever heard."""
        query = {"grace_seconds": grace.total_seconds()}
        return self._ask(_CLUSTER, "GET", "clusters", cluster, query=query)

    def claim(self, cluster: str, request: ClaimRequest) -> Claim | ClaimRefusal:
        """Ask for the right to move packages away from `cluster`; a refusal is an answer."""
        call = self._call(
            "POST", "clusters", cluster, "claims", body=request.model_dump(mode="json")
        )
        answer = self.client.send(call)
        if answer.status in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS):
            return parsed(_REFUSAL, answer, where=call.where, also=(answer.status,))
        return parsed(_CLAIM, answer, where=call.where)

    def claims(
        self, *, cluster: str | None = None, policy: str | None = None, is_open: bool | None = None
    ) -> tuple[Claim, ...]:
        """Claims that were given, newest first; at most 1000."""
        call = claims_call(self._url("claims"), cluster=cluster, policy=policy, is_open=is_open)
        return parsed(_CLAIMS, self.client.send(call), where=call.where)

    def fences(self, claim_id: str) -> tuple[PackageFence, ...]:
        """How far each package of a claim is kept from running on the cluster given up."""
        return self._ask(_FENCES, "GET", "claims", "fences", query={"id": claim_id})

    def end_claim(self, claim_id: str, *, outcome: str) -> Claim:
        """Say how the failover ended; its packages no longer count for the limits."""
        return self._ask(_CLAIM, "POST", "claims", "end", body={"id": claim_id, "outcome": outcome})

    def lift_fence(self, cluster: str, *, namespace: str, package: str) -> None:
        """Let a package run on `cluster` again."""
        self._tell("DELETE", "clusters", cluster, "fences", namespace, package)

    def leases(self, cluster: str) -> tuple[Lease, ...]:
        """What is renewed with each heartbeat of the cluster, fenced packages included."""
        return self._ask(_LEASES, "GET", "clusters", cluster, "leases")

    def put_lease(self, cluster: str, lease: Lease) -> None:
        """Have the package's pods answer only as long as their node hears from the receiver."""
        path = ("clusters", cluster, "leases", lease.namespace, lease.package)
        self._tell("PUT", *path, body=lease.model_dump(mode="json"))

    def delete_lease(self, cluster: str, *, namespace: str, package: str) -> None:
        self._tell("DELETE", "clusters", cluster, "leases", namespace, package)

    def _ask(
        self,
        model: TypeAdapter[T],
        method: str,
        *path: str,
        query: Query | None = None,
        body: Any = None,
    ) -> T:
        call = self._call(method, *path, query=query, body=body)
        return parsed(model, self.client.send(call), where=call.where)

    def _tell(self, method: str, *path: str, body: Any = None) -> None:
        call = self._call(method, *path, body=body)
        answer = self.client.send(call)
        if answer.status == HTTPStatus.CONFLICT:
            raise PackageFencedError(
                "the package is fenced there",
                where=call.where,
                found=answer.words,
                do="lift its fence first, which only a failback does",
            )
        checked(answer, where=call.where)

    def _call(self, method: str, *path: str, query: Query | None = None, body: Any = None) -> Call:
        return Call(method, self._url(*path), query or {}, body)

    def _url(self, *path: str) -> str:
        steps = "/".join(quote(step, safe="") for step in path)
        return f"{self.client.settings.base_url}/{steps}"


def fleet_call(url: str, *, grace: timedelta, after: int | None, wait: timedelta) -> Call:
    query: dict[str, str | int | float] = {"grace_seconds": grace.total_seconds()}
    if after is not None:
        wait = min(wait, LONGEST_WAIT)
        query |= {"after": after, "wait_seconds": wait.total_seconds()}
    return Call("GET", url, query, wait=wait)


def claims_call(
    url: str, *, cluster: str | None = None, policy: str | None = None, is_open: bool | None = None
) -> Call:
    asked = {
        "cluster": cluster,
        "policy": policy,
        "open": None if is_open is None else str(is_open).lower(),
    }
    return Call("GET", url, {key: value for key, value in asked.items() if value is not None})


def parsed(model: TypeAdapter[T], answer: Answer, *, where: str, also: tuple[int, ...] = ()) -> T:
    """The answer as what it has to be; a refusal raises by its name."""
    if answer.status not in also:
        checked(answer, where=where)
    try:
        return model.validate_json(answer.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise unreadable(answer, where=where, why=f"{place} {first['msg']}".strip()) from error


def checked(answer: Answer, *, where: str) -> None:
    if answer.status == HTTPStatus.NOT_FOUND and answer.words not in _NO_SUCH_PAGE:
        raise NotKnownToReceiverError(
            "the receiver does not know it",
            where=where,
            found=answer.words,
            do="check the name; a cluster is known once an agent in it was heard",
        )
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        raise refusal(answer, where=where)


def parsed_fleet(answer: Answer, *, where: str) -> FleetReport:
    return parsed(_FLEET, answer, where=where)


def parsed_claims(answer: Answer, *, where: str) -> tuple[Claim, ...]:
    return parsed(_CLAIMS, answer, where=where)
