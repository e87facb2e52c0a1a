"""One watch for each grace period that somebody asks for; a few, as policies share theirs."""

import asyncio

from airflow_transition.core.node_health import Listening
from airflow_transition.heartbeat.fleet import Fleet
from airflow_transition.heartbeat.node import Node
from airflow_transition.heartbeat.promises import Promises
from airflow_transition.heartbeat.watch import Watch

_MOST = 8
_UNUSED_SECONDS = 120.0


class TooManyGracePeriodsError(Exception):
    """Each costs memory for every node; those in use are not thrown away."""


class Watches:
    """What is judged, and by which clock: `judged` lags behind the clock while the loop stalls."""

    def __init__(self, fleet: Fleet, *, now: float, pause_seconds: float) -> None:
        self._fleet = fleet
        self._watches: dict[float, Watch] = {}
        self._promises = Promises()
        self._pause_seconds = pause_seconds
        self.begin(now)

    def begin(self, now: float) -> None:
        """The receiver listens from now on."""
        self.listening = Listening.begin(now, longest_gap=self._pause_seconds)
        self.judged = now
        for watch in self._watches.values():
            watch.judge_all(since=now, now=now)

    def of(self, grace_seconds: float) -> Watch:
        watch = self._watches.get(grace_seconds)
        if watch is None:
            self._make_room()
            watch = Watch(
                grace_seconds, fleet=self._fleet, since=self.listening.since, now=self.judged
            )
            watch.set_epochs(self._epochs())
            self._watches[grace_seconds] = watch
        watch.used = self.judged
        return watch

    def heard(self, node: Node) -> None:
        for watch in self._watches.values():
            watch.heard(node, since=self.listening.since, now=self.judged)

    def forget(self, node: Node) -> None:
        for watch in self._watches.values():
            watch.forget(node)

    def tick(self, now: float) -> bool:
        """Time has passed, and all that was heard meanwhile is known; whether it was a pause."""
        paused = self.listening.paused_at(now)
        self.listening = self.listening.tick(now)
        self.judged = max(now, self.judged)
        for watch in self._watches.values():
            if paused:
                watch.judge_all(since=self.listening.since, now=self.judged)
            else:
                watch.pass_time(since=self.listening.since, now=self.judged)
        return paused

    def next_moment(self) -> float | None:
        moments = [watch.next_moment() for watch in self._watches.values()]
        return min((moment for moment in moments if moment is not None), default=None)

    def promise(self, promises: Promises) -> None:
        self._promises = promises
        for watch in self._watches.values():
            watch.set_epochs(self._epochs())

    async def wait(self, watch: Watch, *, after: int, seconds: float) -> None:
        """Until the version is another one, or the time is over."""
        watch.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                while watch.version == after:
                    watch.changed.clear()
                    await watch.changed.wait()
        except TimeoutError:
            pass  # the same version is the answer then
        finally:
            watch.waiting -= 1

    def _epochs(self) -> list[tuple[str, int]]:
        return [(name, of.epoch) for name, of in self._promises.clusters.items() if of.epoch > 1]

    def _make_room(self) -> None:
        idle = sorted((w for w in self._watches.values() if not w.waiting), key=lambda w: w.used)
        for watch in idle:
            full = len(self._watches) >= _MOST
            if full or self.judged - watch.used > _UNUSED_SECONDS:
                del self._watches[watch.grace_seconds]
        if len(self._watches) >= _MOST:
            raise TooManyGracePeriodsError
