"""Ask clusters' API servers without blocking the triggerer, and without waiting for the dead."""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Protocol

from airflow_transition.core.cluster_health import ApiSign, SecondSignal

_THREADS = 32
"""Questions at a time. Each ends by itself; a name service that hangs may keep one for minutes."""
_PATIENCE = 3
"""Times the timeout of an answer: for the version, for the nodes, and for a token read anew."""


class Asker(Protocol):
    """What SecondSignalHook does."""

    def ask(self, *, silent_nodes: Collection[str], timeout: timedelta) -> SecondSignal: ...


class SecondSignals:
    """One hook for each cluster, each asked in a thread, never twice at the same time."""

    def __init__(self, connect: Callable[[str], Asker]) -> None:
        self._connect = connect
        self._askers: dict[str, Asker] = {}
        self._asking: dict[str, asyncio.Future[SecondSignal]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="second-signal")

    async def ask(
        self, cluster: str, *, silent_nodes: Collection[str], within: timedelta
    ) -> SecondSignal:
        """The second signal; a question that hangs is silence, and is not put again meanwhile."""
        asking = self._asking.get(cluster)
        if asking is None or asking.done():
            asker = self._asker(cluster)
            asking = asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: asker.ask(silent_nodes=silent_nodes, timeout=within)
            )
            self._asking[cluster] = asking
        limit = _PATIENCE * within.total_seconds()
        try:
            return await asyncio.wait_for(asyncio.shield(asking), limit)
        except TimeoutError:
            return SecondSignal(ApiSign.SILENT, f"nothing within {limit:g} s")

    def _asker(self, cluster: str) -> Asker:
        if cluster not in self._askers:
            self._askers[cluster] = self._connect(cluster)
        return self._askers[cluster]

    def forget(self, cluster: str) -> None:
        """The next question uses the connection as it is then."""
        self._askers.pop(cluster, None)

    def close(self) -> None:
        """Threads that still ask end by themselves; what they find is not wanted any more."""
        for asking in self._asking.values():
            with contextlib.suppress(asyncio.CancelledError):
                asking.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
