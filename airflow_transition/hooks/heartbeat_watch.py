"""What triggers ask of the receiver of heartbeats, without blocking their event loop."""

import asyncio
from datetime import timedelta
from typing import Self

from airflow_transition.core.claim import Claim
from airflow_transition.core.health_report import FleetReport
from airflow_transition.hooks.heartbeat import (
    claims_call,
    fleet_call,
    parsed_claims,
    parsed_fleet,
)
from airflow_transition.hooks.receiver_client import AsyncReceiverClient
from airflow_transition.hooks.receiver_connection import read_receiver_settings


class HeartbeatWatch:
    """The receiver as a trigger sees it; use it as a context, in one event loop."""

    def __init__(self, client: AsyncReceiverClient) -> None:
        self._client = client

    @classmethod
    async def connect(cls, receiver_conn_id: str) -> Self:
        """Airflow's own calls would wait for the loop that runs them, so they get a thread."""
        settings = await asyncio.to_thread(read_receiver_settings, receiver_conn_id)
        return cls(AsyncReceiverClient(settings))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    async def fleet(self, *, grace: timedelta, after: int | None, wait: timedelta) -> FleetReport:
        """All clusters; with `after`, when the health of any differs from that version's."""
        url = f"{self._client.settings.base_url}/clusters"
        call = fleet_call(url, grace=grace, after=after, wait=wait)
        return parsed_fleet(await self._client.send(call), where=call.where)

    async def claims(self, *, cluster: str) -> tuple[Claim, ...]:
        """Claims of a cluster, newest first."""
        call = claims_call(f"{self._client.settings.base_url}/claims", cluster=cluster)
        return parsed_claims(await self._client.send(call), where=call.where)
