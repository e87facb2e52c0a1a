"""A node as the receiver remembers it: who speaks for it, when it was heard, what it shows."""

import json
from collections.abc import Sequence
from sys import intern
from typing import Any, Literal

from transition_wire.heartbeat import Heartbeat

Identity = tuple[str, str, int]
"""Boot, agent, and the sequence of its newest heartbeat."""

Verdict = Literal["accepted", "replay"]

_REMEMBERED_AGENTS = 4
_TWO_AGENTS_SECONDS = 60.0


class Node:
    """50,000 of them live in memory, so this is a plain object with slots."""

    __slots__ = (
        "agent_version",
        "alternated",
        "cluster",
        "containers",
        "current",
        "fenced",
        "free_bytes",
        "heard",
        "held",
        "identities",
        "last_seen",
        "last_upload_seconds",
        "memory_pressure",
        "node",
        "skew",
        "trusted",
    )

    def __init__(self, cluster: str, *, node: str, trusted: bool) -> None:
        self.cluster = cluster
        self.node = node
        self.trusted = trusted
        self.heard: float | None = None
        """The receiver's monotonic clock; None: not since it started."""
        self.last_seen: float | None = None
        """The receiver's wall clock, for people."""
        self.identities: tuple[Identity, ...] = ()
        """Newest first."""
        self.alternated: float | None = None
        """When an agent spoke again after another one had: the monotonic clock."""
        self.current = False
        """It was answered from the database since it was away last."""
        self.agent_version: str | None = None
        self.skew: float | None = None
        self.memory_pressure = False
        self.free_bytes: int | None = None
        self.last_upload_seconds: float | None = None
        self.containers = 0
        self.fenced: tuple[str, ...] = ()
        self.held: tuple[tuple[str, str, str], ...] = ()
        """Namespace, package, and who enforces the lease."""

    def hear(self, boot_id: str, *, agent_id: str, sequence: int, now: float) -> Verdict:
        """Judge one heartbeat by its sender; the node was heard unless it is a replay."""
        rest: tuple[Identity, ...] = self.identities
        for place, (boot, agent, newest) in enumerate(self.identities):
            if boot == boot_id and agent == agent_id:
                if sequence <= newest:
                    return "replay"
                if place:
                    self.alternated = now
                boot_id, agent_id = boot, agent  # those that are kept already
                rest = self.identities[:place] + self.identities[place + 1 :]
                break
        self.identities = ((boot_id, agent_id, sequence), *rest[: _REMEMBERED_AGENTS - 1])
        self.heard = now
        return "accepted"

    def follows(self, beat: Heartbeat, *, now: float) -> bool:
        """Whether this is the very next heartbeat: none was lost, or heard by another receiver."""
        if not self.identities or self.heard is None:
            return False
        next_one = (beat.boot_id, beat.agent_id, beat.sequence - 1) == self.identities[0]
        return next_one and now - self.heard <= 2 * beat.interval_seconds

    def show(self, beat: Heartbeat, *, wall: float) -> None:
        """Keep what people see of it."""
        self.last_seen = wall
        self.skew = beat.sent.timestamp() - wall
        self.agent_version = intern(beat.agent_version)
        self.memory_pressure = beat.memory_pressure
        self.free_bytes = beat.free_bytes
        self.last_upload_seconds = beat.last_upload_seconds
        self.containers = len(beat.containers)
        self.fenced = beat.fenced
        self.held = tuple((each.namespace, each.package, each.enforced_by) for each in beat.leases)

    def two_agents(self, now: float) -> bool:
        return self.alternated is not None and now - self.alternated < _TWO_AGENTS_SECONDS

    def row(self, *, receiver: str, batch: int) -> list[Any]:
        """In the order of the node table's columns."""
        boot_id, agent_id, sequence = self.identities[0]
        shown = [
            self.last_seen,
            self.skew,
            self.agent_version,
            self.memory_pressure,
            self.free_bytes,
            self.last_upload_seconds,
            self.containers,
            self.fenced,
            self.held,
            self.identities[1:],
        ]
        return [
            self.cluster,
            self.node,
            boot_id,
            agent_id,
            sequence,
            self.trusted,
            receiver,
            batch,
            json.dumps(shown, separators=(",", ":")),
        ]

    def is_newer(self, row: Sequence[Any]) -> bool:
        """Whether a row of another receiver tells of a heartbeat that this one has not seen."""
        boot_id, agent_id, sequence = row[2], row[3], row[4]
        for boot, agent, newest in self.identities:
            if boot == boot_id and agent == agent_id:
                return bool(sequence > newest)
        return True

    def take(self, row: Sequence[Any]) -> None:
        """What another receiver, or this one before it was restarted, wrote by `row`."""
        boot_id, agent_id, sequence, shown = row[2], row[3], row[4], json.loads(row[8])
        (
            self.last_seen,
            self.skew,
            self.agent_version,
            self.memory_pressure,
            self.free_bytes,
            self.last_upload_seconds,
            self.containers,
            fenced,
            held,
            before,
        ) = shown
        self.fenced = tuple(fenced)
        self.held = tuple((namespace, package, by) for namespace, package, by in held)
        older = self.identities or tuple((boot, agent, number) for boot, agent, number in before)
        rest = [one for one in older if one[:2] != (boot_id, agent_id)]
        self.identities = ((boot_id, agent_id, sequence), *rest[: _REMEMBERED_AGENTS - 1])
