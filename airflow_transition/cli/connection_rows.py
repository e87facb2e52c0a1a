"""Airflow's own table of connections, as `airflow connections` reads and writes it."""

import json

from airflow.models.connection import Connection
from airflow.sdk.exceptions import AirflowException
from cryptography.fernet import InvalidToken
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_transition.core.connection_change import Change, Stored
from airflow_transition.core.errors import PermanentError


class ConnectionUnreadableError(PermanentError):
    """The connection is there, and cannot be read."""


def find(session: Session, *, conn_id: str) -> Stored | None:
    row = _row(session, conn_id=conn_id)
    if row is None:
        return None
    try:
        extra = row.extra_dejson
        password = row.password
    except (InvalidToken, AirflowException) as error:
        raise ConnectionUnreadableError(
            "the connection cannot be read",
            where=f"connection {conn_id}",
            found=type(error).__name__,  # its text may hold what the connection does
            do="run this with the [core] fernet_key that it was written with",
        ) from None
    return Stored(
        conn_type=str(row.conn_type or ""),
        host=row.host,
        login=row.login,
        password=password,
        extra=extra,
    )


def write(session: Session, *, change: Change) -> None:
    """Only the fields that change; the session's owner commits."""
    row = _row(session, conn_id=change.conn_id)
    if row is None:
        row = Connection(conn_id=change.conn_id, conn_type=change.wanted.conn_type)
        session.add(row)
    for name in change.fields:
        value = getattr(change.wanted, name)
        setattr(row, name, json.dumps(value) if name == "extra" else value)


def _row(session: Session, *, conn_id: str) -> Connection | None:
    return session.scalar(select(Connection).where(Connection.conn_id == conn_id))
