"""Carries heartbeats to the database in batches, and brings back what others promised meanwhile."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from airflow_transition.heartbeat.batch import Batch
from airflow_transition.heartbeat.metrics import Metrics
from airflow_transition.heartbeat.settings import ReceiverSettings
from airflow_transition.heartbeat.store import Store
from airflow_transition.heartbeat.writer import Writer

log = logging.getLogger(__name__)


class NotStoredError(Exception):
    """The database did not take the batch; nothing that depends on it may be answered."""


class Flusher:
    """At most one batch is under way; what is heard meanwhile gathers in the next one."""

    def __init__(
        self, store: Store, *, writer: Writer, settings: ReceiverSettings, metrics: Metrics
    ) -> None:
        self._store = store
        self._writer = writer
        self._settings = settings
        self._metrics = metrics
        self._waited_for = asyncio.Event()
        self._begun = 0.0
        self.open = Batch()

    def committed(self) -> "asyncio.Future[int]":
        """Of the batch that is open now: the promises' version that it will have read."""
        if self.open.committed is None:
            self.open.committed = asyncio.get_running_loop().create_future()
            self._waited_for.set()
        return self.open.committed

    async def pause(self, *, idle: bool) -> None:
        """Until the next batch is due: sooner where replies wait for it, later where no node is."""
        most = self._settings.idle_interval if idle else self._settings.flush_interval
        longest = most.total_seconds()
        shortest = self._settings.waited_flush_interval.total_seconds()
        since = time.monotonic() - self._begun
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, longest - since)):
                await self._waited_for.wait()
        await asyncio.sleep(max(0.0, shortest - (time.monotonic() - self._begun)))

    async def flush(self) -> bool:
        """Store what gathered, if anything did; False: the database does not answer."""
        batch, self.open = self.open, Batch()
        self._waited_for.clear()
        self._begun = time.monotonic()
        try:
            version = await self._send(batch) if batch else None
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch must not be lost
            self._fail(batch, error=error)
            return False
        except asyncio.CancelledError as error:
            self._fail(batch, error=error)
            raise
        if version is not None and batch.committed is not None and not batch.committed.done():
            batch.committed.set_result(version)
        return True

    async def _send(self, batch: Batch) -> int:
        with self._metrics.batch_seconds.time():
            version = await self._writer.write(self._writing(batch))
        self._metrics.batch_nodes.observe(len(batch.nodes))
        return version

    def _writing(self, batch: Batch) -> Callable[[], int]:
        return lambda: self._store.write(batch)

    def _fail(self, batch: Batch, *, error: BaseException) -> None:
        """Newer heartbeats of the same nodes are in the open batch already; the others go along."""
        log.warning(
            "a batch of %d nodes was not stored: %s", len(batch.nodes), type(error).__name__
        )
        self._metrics.batch_errors.inc()
        self.open.take_back(batch)
        if batch.committed is not None and not batch.committed.done():
            batch.committed.set_exception(NotStoredError())
