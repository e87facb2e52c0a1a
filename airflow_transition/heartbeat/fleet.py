"""All nodes that the receiver knows, by cluster."""

from collections.abc import Iterator, Sequence
from sys import intern
from typing import Any

from airflow_transition.heartbeat.node import Node


class Fleet:
    """In memory; the database has the same nodes, some milliseconds later."""

    def __init__(self, *, most_guide_nodes: int) -> None:
        self._clusters: dict[str, dict[str, Node]] = {}
        self._most_guide_nodes = most_guide_nodes
        self._guide_nodes = 0

    def find(self, cluster: str, *, node: str) -> Node | None:
        return self._clusters.get(cluster, {}).get(node)

    def add(self, cluster: str, *, node: str) -> Node:
        """A node that was not known, and has a token."""
        return self._new(cluster, name=node, trusted=True)

    def add_untrusted(self, cluster: str, *, node: str) -> Node | None:
        """The same without a token; None: too many of them are known already."""
        if self._guide_nodes >= self._most_guide_nodes:
            return None
        return self._new(cluster, name=node, trusted=False)

    def trust(self, node: Node) -> None:
        """It has a token of its own from now on."""
        if not node.trusted:
            node.trusted = True
            node.identities = ()
            self._guide_nodes -= 1

    def forget(self, cluster: str, *, node: str) -> Node | None:
        gone = self._clusters.get(cluster, {}).pop(node, None)
        if gone is not None and not gone.trusted:
            self._guide_nodes -= 1
        if not self._clusters.get(cluster):
            self._clusters.pop(cluster, None)
        return gone

    def take(self, row: Sequence[Any]) -> tuple[Node, bool]:
        """A row of the database; the node, and whether it tells of a new heartbeat.

        The database's word is taken whatever the bound says: what is in it was bounded.
        """
        cluster, name, trusted = row[0], row[1], bool(row[5])
        node = self.find(cluster, node=name)
        if node is None:
            node = self._new(cluster, name=name, trusted=trusted)
            node.take(row)
            return node, True
        if trusted:
            self.trust(node)
        newer = node.is_newer(row)
        if newer:
            node.take(row)
        return node, newer

    def clusters(self) -> list[str]:
        return sorted(self._clusters)

    def nodes(self, cluster: str) -> Sequence[Node]:
        return [node for _, node in sorted(self._clusters.get(cluster, {}).items())]

    def __iter__(self) -> Iterator[Node]:
        for nodes in self._clusters.values():
            yield from nodes.values()

    def __len__(self) -> int:
        return sum(len(nodes) for nodes in self._clusters.values())

    def _new(self, cluster: str, *, name: str, trusted: bool) -> Node:
        self._guide_nodes += not trusted
        cluster, name = intern(cluster), intern(name)
        nodes = self._clusters.setdefault(cluster, {})
        nodes[name] = Node(cluster, node=name, trusted=trusted)
        return nodes[name]
