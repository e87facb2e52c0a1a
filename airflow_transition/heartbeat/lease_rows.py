"""Which packages of a cluster answer only as long as their lease is renewed, in their table."""

import json

from sqlalchemy import and_, select, update
from transition_wire.heartbeat import Lease

from airflow_transition.heartbeat import tables
from airflow_transition.heartbeat.store import Store


class FencedError(Exception):
    """A package that must not run there gets no lease."""


def put_lease(store: Store, *, cluster: str, lease: Lease) -> None:
    """Repeatable. The longest duration that was ever in force is remembered."""
    key = {"cluster": cluster, "namespace": lease.namespace, "package": lease.package}
    mine = and_(*(tables.lease.c[name] == value for name, value in key.items()))
    with store.promising() as (connection, _):
        fences = select(tables.fence.c.claim).where(
            *(tables.fence.c[name] == value for name, value in key.items())
        )
        if connection.execute(fences).first() is not None:
            raise FencedError
        before = connection.execute(select(tables.lease.c.longest_seconds).where(mine)).scalar()
        values = {
            "pod_labels": json.dumps(lease.pod_labels, sort_keys=True),
            "duration_seconds": lease.duration_seconds,
            "longest_seconds": max(lease.duration_seconds, before or 0.0),
            "active": True,
        }
        connection.execute(
            store.upsert(tables.lease)
            .values(**key, **values)
            .on_conflict_do_update(index_elements=list(key), set_=values)
        )


def withdraw_lease(store: Store, *, cluster: str, namespace: str, package: str) -> None:
    """No heartbeat renews it any more; nothing to do is fine."""
    with store.promising() as (connection, _):
        connection.execute(
            update(tables.lease)
            .where(
                tables.lease.c.cluster == cluster,
                tables.lease.c.namespace == namespace,
                tables.lease.c.package == package,
            )
            .values(active=False)
        )
