"""Epochs, fences and leases, from their tables and into them."""

import json
from collections import defaultdict

from sqlalchemy import Connection, select
from transition_wire.heartbeat import Fence, Lease

from airflow_transition.heartbeat import tables
from airflow_transition.heartbeat.promises import PackageKey, Promises, cluster_promises


def read_promises(connection: Connection) -> Promises:
    """The version first: what changes while the rest is read makes it newer than it says."""
    version = connection.execute(select(tables.state.c.version)).scalar_one()
    epochs = {row.cluster: row.epoch for row in connection.execute(select(tables.cluster))}
    fences = _fences(connection)
    leases = _leases(connection)
    longest = _longest(connection)
    return Promises(
        version=int(version),
        clusters={
            name: cluster_promises(
                epoch=epochs.get(name, 1),
                fences=tuple(fences[name]),
                leases=tuple(leases[name]),
                longest_seconds=longest[name],
            )
            for name in {*epochs, *fences, *longest}
        },
    )


def _fences(connection: Connection) -> dict[str, list[Fence]]:
    found = defaultdict(list)
    order = (tables.fence.c.epoch, tables.fence.c.namespace, tables.fence.c.package)
    for row in connection.execute(select(tables.fence).order_by(*order)):
        found[row.cluster].append(
            Fence(
                id=row.claim,
                epoch=row.epoch,
                namespace=row.namespace,
                package=row.package,
                pod_labels=json.loads(row.pod_labels),
            )
        )
    return found


def _leases(connection: Connection) -> dict[str, list[Lease]]:
    found = defaultdict(list)
    order = (tables.lease.c.namespace, tables.lease.c.package)
    for row in connection.execute(
        select(tables.lease).where(tables.lease.c.active).order_by(*order)
    ):
        found[row.cluster].append(
            Lease(
                namespace=row.namespace,
                package=row.package,
                pod_labels=json.loads(row.pod_labels),
                duration_seconds=row.duration_seconds,
            )
        )
    return found


def _longest(connection: Connection) -> dict[str, dict[PackageKey, float]]:
    found: dict[str, dict[PackageKey, float]] = defaultdict(dict)
    for row in connection.execute(select(tables.lease)):
        found[row.cluster][row.namespace, row.package] = row.longest_seconds
    return found
