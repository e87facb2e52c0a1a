"""Tokens in their table. Nothing here ever holds one in clear but the one that is made."""

from datetime import datetime
from sys import intern
from typing import Any

from sqlalchemy import Row, insert, select, update

from airflow_transition.heartbeat import tables
from airflow_transition.heartbeat.store import Store
from airflow_transition.heartbeat.token import (
    Bearer,
    NewToken,
    TokenBook,
    TokenChange,
    TokenReport,
    TokenRequest,
    digest_of,
    new_id,
    new_secret,
)

_MOST = 100_000


def create_token(store: Store, *, request: TokenRequest, now: datetime) -> NewToken:
    """A second one for the same node is welcome: so a token is changed without a gap."""
    secret = new_secret()
    token = NewToken(
        id=new_id(),
        kind=request.kind,
        cluster=request.cluster,
        node=request.node,
        created=now,
        expires=request.expires,
        revoked=None,
        token=secret,
    )
    values = token.model_dump(exclude={"token"})
    with store.promising() as (connection, version):
        connection.execute(
            insert(tables.token).values(**values, digest=digest_of(secret), change=version)
        )
    return token


def list_tokens(store: Store) -> list[TokenReport]:
    with store.reading() as connection:
        rows = connection.execute(
            select(tables.token).order_by(tables.token.c.created.desc()).limit(_MOST)
        )
        return [_report(row) for row in rows]


def revoke_token(store: Store, *, token_id: str, now: datetime) -> TokenReport | None:
    """Repeatable: the first moment stays. None: there is no such token."""
    mine = tables.token.c.id == token_id
    with store.promising() as (connection, version):
        connection.execute(
            update(tables.token)
            .where(mine, tables.token.c.revoked.is_(None))
            .values(revoked=now, change=version)
        )
        row = connection.execute(select(tables.token).where(mine)).one_or_none()
        return None if row is None else _report(row)


def take_changes(store: Store, *, book: TokenBook) -> None:
    """Into the book goes what it does not have yet, in parts: 50,000 tokens fit twice in memory."""
    with store.reading() as connection:
        newer = select(tables.token).where(tables.token.c.change > book.change)
        rows = connection.execute(newer, execution_options={"yield_per": 1000})
        book.take(_change(row) for row in rows)


def _report(row: Row[Any]) -> TokenReport:
    return TokenReport(
        id=row.id,
        kind=row.kind,
        cluster=row.cluster,
        node=row.node,
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
    )


def _change(row: Row[Any]) -> TokenChange:
    bearer = None
    if row.revoked is None:
        expires = None if row.expires is None else row.expires.timestamp()
        bearer = Bearer(
            kind=row.kind,
            cluster=intern(row.cluster or ""),
            node=intern(row.node or ""),
            expires=expires,
        )
    return TokenChange(digest=row.digest, bearer=bearer, change=row.change)
