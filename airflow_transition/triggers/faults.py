"""Tell Airflow of lost clusters: the event trigger that starts failover DAGs.

All policies of a receiver that have the same grace period share one stream of what is seen; each
picks its own faults out of it. The stream is read on the fast path of Airflow's shared streams, as
the receiver and Airflow's own runs are the memory: a triggerer that starts anew finds a fault still
there, and finds its claim or its run if it was told already. There is nothing to acknowledge.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_transition.core.fault_memory import FaultMemory, FleetSight
from airflow_transition.core.policy_rules import failover_dag_id

_PATIENCE_SECONDS = 600.0
"""A run that was not created until then will not be."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Told:
    at: float
    runs_before: int


class ClusterFaultTrigger(BaseEventTrigger):
    """Fire once for each fault of a policy's clusters; the payload is a `core.fault.Fault`.

    :param policy: whose packages are to move.
    :param clusters: where they may be.
    :param grace_seconds: how long a node may be silent.
    :param silent_nodes_percent: the share of a cluster's agents that has to be silent.
    :param receiver_conn_id: connection to the receiver of heartbeats.
    """

    def __init__(
        self,
        *,
        policy: str,
        clusters: list[str],
        grace_seconds: int,
        silent_nodes_percent: int,
        receiver_conn_id: str,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.policy = policy
        self.clusters = clusters
        self.grace_seconds = grace_seconds
        self.silent_nodes_percent = silent_nodes_percent
        self.receiver_conn_id = receiver_conn_id
        self._told: _Told | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "policy": self.policy,
                "clusters": self.clusters,
                "grace_seconds": self.grace_seconds,
                "silent_nodes_percent": self.silent_nodes_percent,
                "receiver_conn_id": self.receiver_conn_id,
            },
        )

    def shared_stream_key(self) -> Hashable:
        return ("transition-faults", self.receiver_conn_id, self.grace_seconds)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[FleetSight]:
        # Neither a DAG file that names this trigger nor the first fault may wait for these imports.
        sources = await asyncio.to_thread(
            import_module, "airflow_transition.triggers.fault_sources"
        )
        grace = timedelta(seconds=kwargs["grace_seconds"])
        stream = sources.open_fault_stream(kwargs["receiver_conn_id"], grace=grace)
        async with aclosing(stream) as sights:
            async for sight in sights:
                yield sight

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[FleetSight]
    ) -> AsyncIterator[TriggerEvent]:
        memory = FaultMemory(
            self.policy, self.clusters, silent_nodes_percent=self.silent_nodes_percent
        )
        async for sight in shared_stream:
            for due in memory.due(sight):
                if due.perhaps_told and await self._runs(active=True):
                    continue
                if await self._is_on_its_way(now=sight.at):
                    continue
                memory.tell(due, now=sight.at)
                yield TriggerEvent(due.fault.as_payload())  # type: ignore[no-untyped-call]
                self._told = _Told(sight.at, runs_before=await self._runs())

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Without sharing, as a test or an older triggerer runs it."""
        _, arguments = self.serialize()
        async for event in self.filter_shared_stream(self.open_shared_stream(arguments)):
            yield event

    async def _is_on_its_way(self, *, now: float) -> bool:
        """Whether what was told last has no run yet.

        Airflow queues a DAG once for all events of an asset, and gives its next run only those up
        to the first: another one that follows before there is a run would wait for a third.
        """
        told = self._told
        if told is None or now - told.at > _PATIENCE_SECONDS:
            return False
        if await self._runs() <= told.runs_before:
            return True
        self._told = None
        return False

    async def _runs(self, *, active: bool = False) -> int:
        """How many runs the policy's failover DAG has, or has under way.

        If that cannot be found out there is none, so that the fault is told: a second run finds the
        claim of the first.
        """
        from airflow.sdk.execution_time.task_runner import (  # noqa: PLC0415 - only in a triggerer
            RuntimeTaskInstance,
        )

        dag_id = failover_dag_id(policy=self.policy)
        states = ["queued", "running"] if active else None
        try:
            return await asyncio.to_thread(RuntimeTaskInstance.get_dr_count, dag_id, states=states)
        except Exception:
            log.exception("runs of %s not counted", dag_id)
            return 0
