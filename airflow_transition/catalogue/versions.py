"""Whether anything that pages show has changed, asked of the database at most once a second."""

import asyncio
import time
from dataclasses import dataclass, field

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import select

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.views import Version
from airflow_transition.heartbeat.receiver import Receiver
from airflow_transition.heartbeat.store import Store
from airflow_transition.heartbeat.watch import Watch

_ASK_EVERY = 1.0


@dataclass
class Versions:
    """Shared by everybody who waits; a person's own change is seen at the next look."""

    receiver: Receiver
    _catalogue: int = 0
    _asked: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def current(self, watch: Watch) -> Version:
        await self._look()
        fleet = f"{watch.version:x}.{self.receiver.promises.version}"
        catalogue = str(self._catalogue)
        return Version(version=f"{fleet}-{catalogue}", fleet=fleet, catalogue=catalogue)

    async def after(self, version: str, *, watch: Watch, seconds: float) -> Version:
        """As soon as it differs, or when the time is over."""
        end = time.monotonic() + seconds
        while True:
            found = await self.current(watch)
            left = end - time.monotonic()
            if found.version != version or left <= 0:
                return found
            await self.receiver.watches.wait(
                watch, after=watch.version, seconds=min(left, _ASK_EVERY)
            )

    def look_again(self) -> None:
        """Something was changed by this process: the next question goes to the database."""
        self._asked = float("-inf")

    async def _look(self) -> None:
        async with self._lock:
            if time.monotonic() - self._asked >= _ASK_EVERY:
                self._catalogue = await run_in_threadpool(read_version, self.receiver.store)
                self._asked = time.monotonic()


def read_version(store: Store) -> int:
    with store.reading() as connection:
        found = connection.execute(select(tables.state.c.version)).scalar_one_or_none()
    return int(found or 0)
