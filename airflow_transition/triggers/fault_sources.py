"""The fault stream of one receiver, with the hooks that it asks. Heavy to import: do it late."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from functools import partial

from airflow_transition.core.fault_memory import FleetSight
from airflow_transition.hooks.heartbeat_watch import HeartbeatWatch
from airflow_transition.hooks.second_signal import SecondSignalHook
from airflow_transition.triggers.fault_stream import FaultStream
from airflow_transition.triggers.second_signals import SecondSignals


async def open_fault_stream(
    receiver_conn_id: str, *, grace: timedelta
) -> AsyncGenerator[FleetSight]:
    """What is seen of all clusters that the receiver knows, for ever."""
    signals = SecondSignals(SecondSignalHook)
    connect = partial(HeartbeatWatch.connect, receiver_conn_id)
    try:
        async with aclosing(FaultStream(connect, signals, grace).run()) as sights:
            async for sight in sights:
                yield sight
    finally:
        signals.close()
