"""Which node was given which lease, and when: what a failover asks before it trusts a silence."""

from collections.abc import Iterable, Sequence
from typing import Any

from transition_wire.heartbeat import Lease

from airflow_transition.core.leases import NodeLease
from airflow_transition.heartbeat.batch import GrantKey
from airflow_transition.heartbeat.node import Node
from airflow_transition.heartbeat.promises import (
    ClusterPromises,
    PackageKey,
    Promises,
    package_key,
)


class Grants:
    """The database keeps that there was a grant; its moment is known to this process only."""

    def __init__(self) -> None:
        self._given: dict[str, dict[PackageKey, dict[str, float | None]]] = {}
        """By cluster, package and node, on the monotonic clock."""
        self._fenced: dict[tuple[str, PackageKey, str], float] = {}
        """By cluster, package and claim: when this process first knew of the fence."""

    def know(self, promises: Promises, *, now: float) -> None:
        """No receiver has granted anything against a fence since it was committed."""
        self._fenced = {
            key: self._fenced.get(key, now)
            for cluster, promised in promises.clusters.items()
            for fence in promised.fences
            for key in [(cluster, package_key(fence), fence.id)]
        }

    def load(self, rows: Iterable[Sequence[Any]]) -> None:
        for cluster, namespace, package, node in rows:
            self._of(cluster, (namespace, package)).setdefault(node, None)

    def give(self, node: Node, *, leases: Iterable[Lease], arrived: float) -> set[GrantKey]:
        """Note them; those that this node was never given before.

        An answer that was waited for can be noted after a later one of the same node: the later
        moment stays.
        """
        first: set[GrantKey] = set()
        for lease in leases:
            given = self._of(node.cluster, (lease.namespace, lease.package))
            if node.node not in given:
                first.add((node.cluster, lease.namespace, lease.package, node.node))
            given[node.node] = max(arrived, given.get(node.node) or arrived)
        return first

    def give_elsewhere(self, node: Node, *, promised: ClusterPromises, now: float) -> None:
        """Another receiver heard the node: it may have answered with the leases just now."""
        for lease in promised.leases:
            self._of(node.cluster, package_key(lease)).setdefault(node.node, None)
        self.give_unheard(node, promised=promised, now=now)

    def give_unheard(self, node: Node, *, promised: ClusterPromises, now: float) -> None:
        """The same, if it ever had them: heartbeats of it are missing here.

        With the lease of a fenced package not later than its newest fence was known here.
        """
        fenced: dict[PackageKey, float] = {}
        for fence in promised.fences:
            key = package_key(fence)
            known = self._fenced.get((node.cluster, key, fence.id), now)
            fenced[key] = max(known, fenced.get(key, known))
        for lease in promised.leases:
            key = package_key(lease)
            if node.node in self._of(node.cluster, key):
                self.give(node, leases=(lease,), arrived=min(now, fenced.get(key, now)))

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
