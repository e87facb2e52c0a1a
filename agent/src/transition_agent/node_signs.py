"""What a heartbeat tells of its node, left here by the parts of the agent that know it.

The heart only picks it up: it never waits for S3, for the container runtime or for a measurement.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from transition_wire.heartbeat import Heartbeat, RunningContainer
from transition_wire.node_facts import NodeFacts

from transition_agent import __version__
from transition_agent.memory_pressure import memory_pressure

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class NodeSigns:
    def __init__(
        self,
        *,
        cluster: str,
        node: str,
        interval: timedelta,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.free_bytes: int | None = None
        self.containers: tuple[RunningContainer, ...] = ()
        self.facts: NodeFacts | None = None
        self._uploaded: float | None = None
        self._cluster = cluster
        self._node = node
        self._interval = interval
        self._now = now
        self._boot_id = _BOOT_ID.read_text().strip()
        self._agent_id = secrets.token_hex(8)
        self._sequence = 0
        self._known_facts: NodeFacts | None = None

    def uploaded(self) -> None:
        """An archive has reached S3 just now."""
        self._uploaded = self._now()

    def heartbeat(self) -> Heartbeat:
        """The next one, without what the node was told to keep closed."""
        self._sequence += 1
        uploaded = self._uploaded
        return Heartbeat(
            cluster=self._cluster,
            node=self._node,
            boot_id=self._boot_id,
            agent_id=self._agent_id,
            sequence=self._sequence,
            sent=datetime.now(UTC),
            interval_seconds=self._interval.total_seconds(),
            agent_version=__version__,
            containers=self.containers,
            free_bytes=self.free_bytes,
            last_upload_seconds=None if uploaded is None else max(0, self._now() - uploaded),
            memory_pressure=memory_pressure(),
            facts=self.facts if self._facts_are_news else None,
        )

    def accepted(self, heartbeat: Heartbeat) -> None:
        """The receiver has these facts now: they go again when they change."""
        if heartbeat.facts is not None:
            self._known_facts = heartbeat.facts

    @property
    def _facts_are_news(self) -> bool:
        return _lasting(self.facts) != _lasting(self._known_facts)


def _lasting(facts: NodeFacts | None) -> NodeFacts | None:
    """Without the time of the measurement, which always changes."""
    return facts and facts.model_copy(update={"measured": None})
