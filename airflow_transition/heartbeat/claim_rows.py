"""Claims in their table: each decided, and its fences set, in one transaction."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, or_, select, update
from transition_wire.heartbeat import PodCopy

from airflow_transition.core.claim import FAILED, RESTORED, Claim, ClaimRefusal, ClaimRequest
from airflow_transition.core.claims import HOUR, PackageKey, decide_claim, epoch_after
from airflow_transition.core.health_report import FleetReport
from airflow_transition.heartbeat import tables
from airflow_transition.heartbeat.store import Store

_MOST = 1000


class _NothingNewError(Exception):
    """Takes the transaction back."""

    def __init__(self, answer: Claim | ClaimRefusal) -> None:
        self.answer = answer


def give_claim(
    store: Store, *, cluster: str, request: ClaimRequest, fleet: FleetReport, now: datetime
) -> tuple[Claim | ClaimRefusal, bool]:
    """The claim or why not, and whether it is a new one."""
    try:
        with store.promising() as (connection, _):
            claims = _claims_that_count(connection, cluster=cluster, request=request, now=now)
            epoch = _epoch(connection, cluster=cluster)
            fenced = _fenced(connection, cluster=cluster)
            answer = decide_claim(
                request,
                cluster=cluster,
                epoch=epoch,
                claims=claims,
                fleet=fleet,
                now=now,
                fenced=fenced,
            )
            claim = _new(answer, claims=claims)
            _lift(connection, cluster=cluster, packages=_keys(claim) & fenced.keys())
            _write_claim(store, connection, claim=claim, epoch=epoch_after(claim, epoch=epoch))
            return claim, True
    except _NothingNewError as known:
        return known.answer, False


def end_claim(store: Store, *, claim_id: str, outcome: str, now: datetime) -> Claim | None:
    """Repeatable: the first outcome stays, but a failed run that was continued can end well.

    None: there is no such claim.
    """
    mine = tables.claim.c.id == claim_id
    unended: ColumnElement[bool] = tables.claim.c.ended.is_(None)
    if outcome.startswith(RESTORED):
        unended = or_(unended, tables.claim.c.outcome.startswith(FAILED))
    with store.promising() as (connection, _):
        connection.execute(
            update(tables.claim).where(mine, unended).values(ended=now, outcome=outcome)
        )
        row = connection.execute(select(tables.claim).where(mine)).one_or_none()
        return None if row is None else _claim(row)


def find_claim(store: Store, *, claim_id: str) -> Claim | None:
    with store.reading() as connection:
        mine = select(tables.claim).where(tables.claim.c.id == claim_id)
        row = connection.execute(mine).one_or_none()
        return None if row is None else _claim(row)


def list_claims(
    store: Store, *, cluster: str | None, policy: str | None, is_open: bool | None
) -> list[Claim]:
    """Newest first."""
    question = select(tables.claim).order_by(tables.claim.c.made.desc()).limit(_MOST)
    if cluster is not None:
        question = question.where(tables.claim.c.cluster == cluster)
    if policy is not None:
        question = question.where(tables.claim.c.policy == policy)
    if is_open is not None:
        ended = tables.claim.c.ended
        question = question.where(ended.is_(None) if is_open else ended.is_not(None))
    with store.reading() as connection:
        return [_claim(row) for row in connection.execute(question)]


def lift_fences(store: Store, *, cluster: str, namespace: str, package: str) -> None:
    """The package is to run there again; nothing to do is fine."""
    with store.promising() as (connection, _):
        _lift(connection, cluster=cluster, packages=[(namespace, package)])


def _lift(connection: Connection, *, cluster: str, packages: Iterable[PackageKey]) -> None:
    for namespace, package in packages:
        connection.execute(
            delete(tables.fence).where(
                tables.fence.c.cluster == cluster,
                tables.fence.c.namespace == namespace,
                tables.fence.c.package == package,
            )
        )


def _fenced(connection: Connection, *, cluster: str) -> dict[PackageKey, str]:
    """The package's newest fence counts."""
    fence = tables.fence.c
    rows = connection.execute(
        select(fence.namespace, fence.package, fence.claim)
        .where(fence.cluster == cluster)
        .order_by(fence.epoch)
    )
    return {(namespace, package): claim for namespace, package, claim in rows}


def _new(answer: Claim | ClaimRefusal, *, claims: Sequence[Claim]) -> Claim:
    if isinstance(answer, ClaimRefusal) or any(claim.id == answer.id for claim in claims):
        raise _NothingNewError(answer)
    return answer


def _claims_that_count(
    connection: Connection, *, cluster: str, request: ClaimRequest, now: datetime
) -> Sequence[Claim]:
    claim = tables.claim.c
    rows = connection.execute(
        select(tables.claim).where(
            or_(
                and_(claim.cluster == cluster, claim.epoch == request.epoch),
                claim.ended.is_(None),
                claim.made > now - HOUR,
                claim.id.in_(request.takes_over),
            )
        )
    )
    return [_claim(row) for row in rows]


def _epoch(connection: Connection, *, cluster: str) -> int:
    mine = tables.cluster.c.cluster == cluster
    return connection.execute(select(tables.cluster.c.epoch).where(mine)).scalar_one_or_none() or 1


def _write_claim(store: Store, connection: Connection, *, claim: Claim, epoch: int) -> None:
    values = claim.model_dump(exclude={"packages"})
    packages = json.dumps([copy.model_dump() for copy in claim.packages])
    connection.execute(insert(tables.claim).values(**values, packages=packages))
    raised = store.upsert(tables.cluster).values(cluster=claim.cluster, epoch=epoch)
    connection.execute(
        raised.on_conflict_do_update(index_elements=["cluster"], set_={"epoch": epoch})
    )
    connection.execute(
        insert(tables.fence), [_fence(copy, claim=claim, epoch=epoch) for copy in claim.packages]
    )


def _keys(claim: Claim) -> set[PackageKey]:
    return {(copy.namespace, copy.package) for copy in claim.packages}


def _fence(copy: PodCopy, *, claim: Claim, epoch: int) -> dict[str, Any]:
    return {
        "claim": claim.id,
        "namespace": copy.namespace,
        "package": copy.package,
        "cluster": claim.cluster,
        "epoch": epoch,
        "pod_labels": json.dumps(copy.pod_labels, sort_keys=True),
    }


def _claim(row: Row[Any]) -> Claim:
    return Claim(
        id=row.id,
        policy=row.policy,
        cluster=row.cluster,
        epoch=row.epoch,
        run=row.run,
        packages=tuple(PodCopy.model_validate(copy) for copy in json.loads(row.packages)),
        made=row.made,
        ended=row.ended,
        outcome=row.outcome,
    )
