"""One batch of heartbeats on its way to the database."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from airflow_transition.heartbeat.node import Node

GONE = "null"
"""What a forgotten node shows."""

GrantKey = tuple[str, str, str, str]
"""Cluster, namespace, package and node."""


@dataclass(kw_only=True)
class Batch:
    """What changed since the batch before. Each node is in it once, however often it was heard."""

    nodes: dict[Node, None] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)
    """Cluster and name of nodes that a person has forgotten. Their rows say so to other receivers,
    and stay: a row that is only missing would tell them nothing."""
    grants: set[GrantKey] = field(default_factory=set)
    """Leases that are given for the first time."""
    committed: asyncio.Future[int] | None = None
    """Set to the promises' version that the transaction read, once somebody waits for it."""

    def hear(self, node: Node) -> None:
        """One row for each node: what was forgotten is known again."""
        self.gone.discard((node.cluster, node.node))
        self.nodes[node] = None

    def forget(self, node: Node) -> None:
        self.nodes.pop(node, None)
        self.gone.add((node.cluster, node.node))

    def take_back(self, earlier: Batch) -> None:
        """That of an earlier batch which was not stored, unless this one knows better."""
        known = {(node.cluster, node.node) for node in self.nodes}
        self.nodes = {
            **{node: None for node in earlier.nodes if (node.cluster, node.node) not in self.gone},
            **self.nodes,
        }
        self.gone |= earlier.gone - known
        self.grants |= earlier.grants

    def __bool__(self) -> bool:
        return bool(self.nodes or self.gone)

    def node_rows(self, *, receiver: str, number: int) -> str:
        """A JSON array of rows; sorted, so that two receivers lock rows in one order."""
        nodes = sorted(self.nodes, key=lambda node: (node.cluster, node.node))
        rows = [node.row(receiver=receiver, batch=number) for node in nodes]
        rows += [
            [cluster, name, "", "", 0, False, receiver, number, GONE]
            for cluster, name in sorted(self.gone)
        ]
        return json.dumps(rows, separators=(",", ":"))

    def grant_rows(self) -> str:
        return json.dumps(sorted(self.grants), separators=(",", ":"))
