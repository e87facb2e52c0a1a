"""All nodes that the receiver knows, by cluster."""

from collections.abc import Iterator, Sequence
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

    def add(self, cluster: str, *, node: str, trusted: bool) -> Node | None:
        """A node that was not known; None: too many without a token are known already."""
        if not trusted:
            if self._guide_nodes >= self._most_guide_nodes:
                return None
            self._guide_nodes += 1
        nodes = self._clusters.setdefault(cluster, {})
        nodes[node] = Node(cluster, node=node, trusted=trusted)
        return nodes[node]

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
        """A row of the database; the node, and whether it tells of a new heartbeat."""
        cluster, name, trusted = row[0], row[1], bool(row[5])
        node = self.find(cluster, node=name)
        if node is None:
            node = self._known(cluster, name=name, trusted=trusted)
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

    def _known(self, cluster: str, *, name: str, trusted: bool) -> Node:
        """The database's word is taken whatever the bound says: it is bounded itself."""
        self._guide_nodes += not trusted
        nodes = self._clusters.setdefault(cluster, {})
        nodes[name] = Node(cluster, node=name, trusted=trusted)
        return nodes[name]
