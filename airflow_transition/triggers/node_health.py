"""Wait in the triggerer, on one long poll, until a node or a cluster has the health asked for."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_transition.core.awaited_health import AwaitedHealth
from airflow_transition.core.errors import TemporaryError
from airflow_transition.hooks.heartbeat_watch import HeartbeatWatch

_WAIT = timedelta(seconds=30)
_BACKOFF_SECONDS = (0.5, 10.0)


class NodeHealthTrigger(BaseTrigger):
    """Fire once the health is there; the receiver being away for a while is waited out.

    :param awaited: an `AwaitedHealth`.
    :param receiver_conn_id: connection to the receiver of heartbeats.
    """

    def __init__(self, *, awaited: dict[str, Any], receiver_conn_id: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.awaited = awaited
        self.receiver_conn_id = receiver_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"awaited": self.awaited, "receiver_conn_id": self.receiver_conn_id},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        awaited = AwaitedHealth.model_validate(self.awaited)
        shortest, longest = _BACKOFF_SECONDS
        pause = shortest
        while True:
            try:
                async with await HeartbeatWatch.connect(self.receiver_conn_id) as receiver:
                    await _until(awaited, receiver=receiver)
            except TemporaryError as error:
                self.log.warning("asked again: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
            else:
                break
        yield TriggerEvent(self.awaited)  # type: ignore[no-untyped-call]


async def _until(awaited: AwaitedHealth, *, receiver: HeartbeatWatch) -> None:
    grace = timedelta(seconds=awaited.grace_seconds)
    version: int | None = None
    while True:
        fleet = await receiver.fleet(grace=grace, after=version, wait=_WAIT)
        if awaited.found(fleet) is awaited.health:
            return
        version = fleet.version
