"""A receiver and clusters' API servers in virtual time, as the fault stream asks them."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from airflow_transition.core.claim import Claim
from airflow_transition.core.cluster_health import ApiSign, SecondSignal
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health, NodeReport
from airflow_transition.core.node_health import next_change, node_health
from airflow_transition.hooks.receiver_errors import ReceiverUnavailableError

from .virtual_time import now

EPOCH = datetime(2026, 11, 23, tzinfo=UTC)


def wall(moment: float) -> datetime:
    return EPOCH + timedelta(seconds=moment)


@dataclass
class Node:
    """Sends every second, from 0.2 s after the full one, until it is `dead`."""

    dead_at: float = float("inf")
    back_at: float = float("inf")
    phase: float = 0.2

    def last_heard(self, moment: float) -> float:
        beat = int(moment - self.phase) + self.phase
        if beat < self.dead_at or beat >= self.back_at:
            return beat
        return int(self.dead_at - self.phase - 1e-9) + self.phase


@dataclass
class FakeFleet:
    """Use it as HeartbeatWatch and, by `ask`, as SecondSignals."""

    clusters: dict[str, dict[str, Node]] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    given: list[Claim] = field(default_factory=list)
    listening_since: float = 0.0
    down: tuple[float, float] = (float("inf"), float("inf"))
    """From when to when the receiver cannot be reached."""
    api_dead_at: dict[str, float] = field(default_factory=dict)
    drops_packets: bool = False
    not_ready: frozenset[str] = frozenset()
    asked: list[float] = field(default_factory=list)
    """When an API server was asked, and when the answer was there."""
    answered: list[float] = field(default_factory=list)
    looks: int = 0

    async def connect(self) -> Self:
        self._check()
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def fleet(self, *, grace: timedelta, after: int | None, wait: timedelta) -> FleetReport:
        self._check()
        self.looks += 1
        seconds = grace.total_seconds()
        end = now() + wait.total_seconds()
        while after is not None and now() < end and self._report(seconds).version == after:
            changes = [end, self.down[0], *self._changes(seconds)]
            change = min(moment for moment in changes if moment > now())
            await asyncio.sleep(change - now() + 1e-6)
            self._check()
        return self._report(seconds)

    async def claims(self, *, cluster: str) -> tuple[Claim, ...]:
        self._check()
        return tuple(claim for claim in self.given if claim.cluster == cluster)

    async def ask(
        self, cluster: str, *, silent_nodes: Collection[str], within: timedelta
    ) -> SecondSignal:
        self.asked.append(now())
        try:
            if now() < self.api_dead_at.get(cluster, float("inf")):
                if self.not_ready & set(silent_nodes):
                    return SecondSignal(ApiSign.NODES_NOT_READY, "", self.not_ready)
                return SecondSignal(ApiSign.ANSWERS, "200")
            if self.drops_packets:
                await asyncio.sleep(within.total_seconds())
                return SecondSignal(ApiSign.SILENT, "timed out")
            return SecondSignal(ApiSign.SILENT, "connection refused")
        finally:
            self.answered.append(now())

    def forget(self, cluster: str) -> None:
        """Nothing is kept of a connection."""

    def kill(self, cluster: str, *, at: float) -> None:
        """Every node and the API server at once."""
        for node in self.clusters[cluster].values():
            node.dead_at = at
        self.api_dead_at[cluster] = at

    def claim(self, policy: str, *, cluster: str) -> None:
        epoch = self.epochs.get(cluster, 1)
        raised = any(one.cluster == cluster and one.epoch == epoch - 1 for one in self.given)
        epoch -= raised
        self.epochs[cluster] = epoch + 1
        self.given.insert(
            0,
            Claim(
                id=f"{policy}/{cluster}@{epoch}",
                policy=policy,
                cluster=cluster,
                epoch=epoch,
                run="r",
                packages=(),
                made=wall(now()),
            ),
        )

    def _check(self) -> None:
        if self.down[0] <= now() < self.down[1]:
            raise ReceiverUnavailableError("away", where="fake", do="wait")

    def _changes(self, grace: float) -> list[float]:
        return [
            change
            for nodes in self.clusters.values()
            for node in nodes.values()
            for change in [
                next_change(
                    self._heard(node),
                    listening_since=self.listening_since,
                    now=now(),
                    grace_seconds=grace,
                ),
                node.back_at if node.back_at > now() else None,
            ]
            if change is not None
        ]

    def _heard(self, node: Node) -> float | None:
        heard = node.last_heard(now())
        return heard if heard >= self.listening_since else None

    def _report(self, grace: float) -> FleetReport:
        clusters = tuple(
            ClusterReport(
                cluster=name,
                epoch=self.epochs.get(name, 1),
                nodes=tuple(self._node(node, made, grace=grace) for node, made in nodes.items()),
            )
            for name, nodes in self.clusters.items()
        )
        healths = tuple((c.epoch, *((n.node, n.health) for n in c.nodes)) for c in clusters)
        return FleetReport(
            version=hash(healths),
            grace_seconds=grace,
            listening_seconds=now() - self.listening_since,
            clusters=clusters,
        )

    def _node(self, name: str, node: Node, *, grace: float) -> NodeReport:
        heard = self._heard(node)
        health = node_health(
            heard, listening_since=self.listening_since, now=now(), grace_seconds=grace
        )
        return NodeReport(
            node=name,
            health=Health(health),
            silent_seconds=None if heard is None else now() - heard,
            trusted=True,
            last_seen=wall(node.last_heard(now())),
        )
