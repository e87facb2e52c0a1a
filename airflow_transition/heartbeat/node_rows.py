"""Nodes in their table, one by one; heartbeats get there in batches."""

from sqlalchemy import delete

from airflow_transition.heartbeat import tables
from airflow_transition.heartbeat.store import Store


def forget_node(store: Store, *, cluster: str, node: str) -> None:
    """With it goes what it was ever given: a person says that the machine is gone."""
    with store.promising() as (connection, _):
        for table in (tables.node, tables.grant):
            connection.execute(
                delete(table).where(table.c.cluster == cluster, table.c.node == node)
            )
