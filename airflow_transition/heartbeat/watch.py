"""The health of all nodes under one grace period, kept so that a long poll wakes when it changes.

Nothing is looked at before its time: each node is in a heap by the moment at which its silence
would change its health, and is put back there if it was heard meanwhile.
"""

import asyncio
import heapq
from collections.abc import Iterable
from hashlib import blake2b
from itertools import count

from airflow_transition.core.health_report import Health
from airflow_transition.core.node_health import next_change, node_health
from airflow_transition.heartbeat.fleet import Fleet
from airflow_transition.heartbeat.node import Node

_MOST_AT_ONCE = 500
_VERSION_BITS = 52
"""A number that every client's JSON keeps."""


class Watch:
    """Judges by one grace period; `since` and `now` are the receiver's, monotonic."""

    def __init__(self, grace_seconds: float, *, fleet: Fleet, since: float, now: float) -> None:
        self.grace_seconds = grace_seconds
        self.waiting = 0
        self.used = now
        self.changed = asyncio.Event()
        self._fleet = fleet
        self._nodes = 0
        self._epochs = 0
        self._judged: dict[Node, Health] = {}
        self._due: dict[Node, float] = {}
        self._heap: list[tuple[float, int, Node]] = []
        self._order = count()
        self.judge_all(since=since, now=now)

    @property
    def version(self) -> int:
        """The same content has the same number, here, after a restart and on another receiver."""
        return self._nodes ^ self._epochs

    def health(self, node: Node) -> Health:
        return self._judged[node]

    def heard(self, node: Node, *, since: float, now: float) -> None:
        """A heartbeat came: nothing to do for a node that is Ready, which most are."""
        if self._judged.get(node) is not Health.READY:
            self._judge(node, since=since, now=now)

    def pass_time(self, *, since: float, now: float) -> None:
        """Judge the nodes whose moment has come; of very many the rest follows a moment later.

        After a start all nodes have the same moment: 50,000 at once would stop all answers.
        """
        for _ in range(_MOST_AT_ONCE):
            if not self._heap or self._heap[0][0] > now:
                return
            moment, _, node = heapq.heappop(self._heap)
            if self._due.get(node) == moment:
                del self._due[node]
                self._judge(node, since=since, now=now)

    def next_moment(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def judge_all(self, *, since: float, now: float) -> None:
        """From scratch: the receiver has listened anew, and every moment is another one."""
        self._heap.clear()
        self._due.clear()
        for node in self._fleet:
            self._judge(node, since=since, now=now)

    def forget(self, node: Node) -> None:
        self._due.pop(node, None)
        self._set(node, health=None)

    def set_epochs(self, epochs: Iterable[tuple[str, int]]) -> None:
        version = 0
        for cluster, epoch in epochs:
            version ^= _number(cluster, str(epoch))
        if version != self._epochs:
            self._epochs = version
            self.changed.set()

    def _judge(self, node: Node, *, since: float, now: float) -> None:
        health = node_health(
            node.heard, listening_since=since, now=now, grace_seconds=self.grace_seconds
        )
        if self._judged.get(node) is not health:
            self._set(node, health=health)
        moment = next_change(
            node.heard, listening_since=since, now=now, grace_seconds=self.grace_seconds
        )
        if moment is not None and node not in self._due:
            self._due[node] = moment
            heapq.heappush(self._heap, (moment, next(self._order), node))

    def _set(self, node: Node, *, health: Health | None) -> None:
        before = self._judged.pop(node, None)
        if before is not None:
            self._nodes ^= _number(node.cluster, node.node, before)
        if health is not None:
            self._judged[node] = health
            self._nodes ^= _number(node.cluster, node.node, health)
        self.changed.set()


def _number(*parts: str) -> int:
    digest = blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - _VERSION_BITS)
