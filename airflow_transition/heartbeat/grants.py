"""Which node was given which lease, and when: what a failover asks before it trusts a silence."""

from collections.abc import Iterable, Sequence
from typing import Any

from transition_wire.heartbeat import Lease

from airflow_transition.core.leases import NodeLease
from airflow_transition.heartbeat.batch import GrantKey
from airflow_transition.heartbeat.node import Node
from airflow_transition.heartbeat.promises import PackageKey


class Grants:
    """The database keeps that there was a grant; its moment is known to this process only."""

    def __init__(self) -> None:
        self._given: dict[str, dict[PackageKey, dict[str, float | None]]] = {}
        """By cluster, package and node, on the monotonic clock."""

    def load(self, rows: Iterable[Sequence[Any]]) -> None:
        for cluster, namespace, package, node in rows:
            self._of(cluster, (namespace, package)).setdefault(node, None)

    def give(self, node: Node, *, leases: Iterable[Lease], arrived: float) -> set[GrantKey]:
        """Note them; those that this node was never given before."""
        first: set[GrantKey] = set()
        for lease in leases:
            given = self._of(node.cluster, (lease.namespace, lease.package))
            if node.node not in given:
                first.add((node.cluster, lease.namespace, lease.package, node.node))
            before = given.get(node.node)
            # An answer that waited may be older than one that was given meanwhile.
            given[node.node] = arrived if before is None else max(before, arrived)
        return first

    def give_elsewhere(self, node: Node, *, leases: Iterable[Lease], now: float) -> None:
        """Another receiver heard the node: it may have answered with the leases just now."""
        self.give(node, leases=leases, arrived=now)

    def forget(self, cluster: str, *, node: str) -> None:
        for given in self._given.get(cluster, {}).values():
            given.pop(node, None)

    def node_leases(self, nodes: Iterable[Node], *, key: PackageKey) -> list[NodeLease]:
        """Of each node of one cluster that may run the package.

        A node that was never given the lease does not enforce it: it counts as one whose kernel
        closes nothing.
        """
        found = []
        for node in nodes:
            given = self._given.get(node.cluster, {}).get(key, {})
            kernel = (*key, "kernel") in node.held
            found.append(
                NodeLease(
                    node=node.node,
                    granted=given.get(node.node),
                    by_kernel=kernel and node.node in given,
                )
            )
        return found

    def _of(self, cluster: str, key: PackageKey) -> dict[str, float | None]:
        return self._given.setdefault(cluster, {}).setdefault(key, {})
