"""One batch of heartbeats on its way to the database."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from airflow_transition.heartbeat.node import Node

GrantKey = tuple[str, str, str, str]
"""Cluster, namespace, package and node."""


@dataclass(kw_only=True)
class Batch:
    """What changed since the batch before. Each node is in it once, however often it was heard."""

    nodes: dict[Node, None] = field(default_factory=dict)
    grants: set[GrantKey] = field(default_factory=set)
    """Leases that are given for the first time."""
    committed: asyncio.Future[int] | None = None
    """Set to the promises' version that the transaction read, once somebody waits for it."""

    def node_rows(self, *, receiver: str, number: int) -> str:
        """A JSON array of rows; sorted, so that two receivers lock rows in one order."""
        nodes = sorted(self.nodes, key=lambda node: (node.cluster, node.node))
        rows = [node.row(receiver=receiver, batch=number) for node in nodes]
        return json.dumps(rows, separators=(",", ":"))

    def grant_rows(self) -> str:
        return json.dumps(sorted(self.grants), separators=(",", ":"))
