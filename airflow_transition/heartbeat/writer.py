"""The one thread that speaks to the database, never faster than the promised number of writes."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

from airflow_transition.heartbeat.metrics import Metrics

T = TypeVar("T")


class Writer:
    """One call after the other; a write waits until the one before is long enough ago."""

    def __init__(self, *, interval: timedelta, metrics: Metrics) -> None:
        self._interval = interval.total_seconds()
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._free = 0.0

    async def write(self, change: Callable[[], T], *, statements: int = 1) -> T:
        """Run a transaction that changes something, by so many statements."""
        async with self._lock:
            await asyncio.sleep(max(0.0, self._free - time.monotonic()))
            self._free = time.monotonic() + self._interval * statements
            self._metrics.database_writes.inc(statements)
            return await self._call(change)

    async def read(self, question: Callable[[], T]) -> T:
        async with self._lock:
            return await self._call(question)

    async def _call(self, call: Callable[[], T]) -> T:
        """The thread begins with the first call: a server may have forked before."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="transition-writer")
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None
