"""Airflow's connections, where its own word on a missing one is not enough."""

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_transition.core.errors import TemporaryError

if TYPE_CHECKING:
    from airflow.sdk import Connection


class ConnectionNotGivenError(TemporaryError):
    """Airflow gave no connection of that name.

    It says the same where nobody made one and where its own API server is away for a moment, so
    this is worth another try.
    """


def find_connection(conn_id: str, *, kind: str) -> "Connection":
    """The connection, which has to be there; some of Airflow's hooks go on with an empty one."""
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise ConnectionNotGivenError(
            "Airflow gives no such connection",
            where=f"connection {conn_id}",
            do=f"create it with type {kind} (docs/reference/connections.md), or see whether "
            "Airflow's API server answers",
        ) from error
