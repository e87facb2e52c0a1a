"""Leases that nodes were ever given, in their table; batches of heartbeats put them there."""

from sqlalchemy import delete

from airflow_transition.heartbeat import tables
from airflow_transition.heartbeat.store import Store


def forget_grants(store: Store, *, cluster: str, node: str) -> None:
    """A person says that the machine is gone, and what it was given with it."""
    given = tables.grant.c
    with store.promising() as (connection, _):
        connection.execute(delete(tables.grant).where(given.cluster == cluster, given.node == node))
