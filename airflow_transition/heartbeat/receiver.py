"""The receiver: takes heartbeats, judges silence, and keeps what it promises."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from transition_wire.heartbeat import Heartbeat

from airflow_transition.core.errors import TemporaryError
from airflow_transition.heartbeat.batch import GONE
from airflow_transition.heartbeat.fleet import Fleet
from airflow_transition.heartbeat.flusher import Flusher
from airflow_transition.heartbeat.grant_rows import forget_grants
from airflow_transition.heartbeat.grants import Grants
from airflow_transition.heartbeat.metrics import Metrics
from airflow_transition.heartbeat.node import Node
from airflow_transition.heartbeat.promises import Promises
from airflow_transition.heartbeat.settings import ReceiverSettings
from airflow_transition.heartbeat.store import Remembered, Store
from airflow_transition.heartbeat.token import TokenBook
from airflow_transition.heartbeat.token_rows import take_changes
from airflow_transition.heartbeat.watches import Watches
from airflow_transition.heartbeat.writer import Writer

log = logging.getLogger(__name__)
T = TypeVar("T")

_LATE_SECONDS = 0.05
"""A tick so late finds heartbeats in the sockets that were not read yet."""
_RETRY_SECONDS = 1.0
_STALE_SECONDS = 10.0
"""What the database said so long ago is not answered any more without asking it."""


class NotReadyError(TemporaryError):
    """The receiver has not read its tables yet."""


class Receiver:
    """Lives in one event loop; only the writer's thread speaks to the database."""

    def __init__(
        self,
        store: Store,
        *,
        settings: ReceiverSettings,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """`now` is monotonic and goes on while the machine sleeps; `wall` counts from 1970."""
        self.store = store
        self.settings = settings
        self.now = now
        self.wall = wall
        self.metrics = Metrics()
        self.fleet = Fleet(most_guide_nodes=settings.most_guide_nodes)
        self.tokens = TokenBook()
        self.grants = Grants()
        self.promises = Promises()
        self.ready = False
        self.on_ready: Callable[[], object] = lambda: None
        self.started = now()
        self.watches = Watches(
            self.fleet, now=self.started, pause_seconds=settings.pause.total_seconds()
        )
        self.writer = Writer(interval=settings.write_interval, metrics=self.metrics)
        self.flusher = Flusher(store, writer=self.writer, settings=settings, metrics=self.metrics)
        self._batches: dict[str, int] = {}
        self._confirmed = self.started
        self._next_tick = self.started
        self._late = False
        self._tasks: list[asyncio.Task[None]] = []

    # --- its life ---

    async def start(self) -> None:
        """Read the tables, and go on; without tables it waits for them and answers 503."""
        await self.load()
        for life in (self._keep_time, self._keep_flushing):
            self._tasks.append(asyncio.create_task(self._for_ever(life)))

    async def stop(self) -> None:
        """What was heard reaches the database before the process ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self.ready and self.flusher.open:
            await self.flusher.flush()
        self.writer.close()

    def require_ready(self) -> None:
        if not self.ready:
            raise NotReadyError(
                "the receiver has not read its tables yet",
                where="the receiver's database",
                do="run `airflow db migrate` if this does not pass",
            )

    # --- what it does ---

    def hear(self, node: Node, *, heartbeat: Heartbeat) -> bool:
        """Take a heartbeat whose token fits; False: it is a replay, and nothing has changed."""
        now = self.now()
        follows = node.follows(heartbeat, now=now)
        verdict = node.hear(
            heartbeat.boot_id,
            agent_id=heartbeat.agent_id,
            sequence=heartbeat.sequence,
            now=now,
        )
        if verdict == "replay":
            return False
        if not follows:
            node.current = False
            self.grants.give_unheard(node, promised=self.promises.of(node.cluster), now=now)
        node.show(heartbeat, wall=self.wall())
        self.heard(node)
        return True

    def heard(self, node: Node) -> None:
        """Its health and its row follow."""
        self.watches.heard(node)
        self.flusher.open.hear(node)

    async def reply(self, node: Node) -> bytes:
        """The answer to a heartbeat. With leases it waits for the transaction that allows them.

        So does the first answer after an absence: another receiver may have fenced what returns.
        """
        arrived = self.now()
        while True:
            promised = self.promises
            cluster = promised.of(node.cluster)
            is_fresh = node.current and arrived - self._confirmed <= _STALE_SECONDS
            if is_fresh and not cluster.renewed:
                return cluster.reply
            first = self.grants.give(node, leases=cluster.renewed, arrived=arrived)
            self.flusher.open.grants |= first
            self.flusher.open.hear(node)
            version = await asyncio.shield(self.flusher.committed())
            if version == promised.version:
                node.current = True
                return cluster.reply
            await self.refresh(version)

    async def change(self, change: Callable[[], T], *, statements: int) -> T:
        """Change what is promised; whatever is answered afterwards knows of it."""
        done = await self.writer.write(change, statements=statements)
        await self._read_promises()
        return done

    async def refresh(self, version: int) -> None:
        """Read the promises if the database has newer ones."""
        if version > self.promises.version:
            await self._read_promises()

    async def read_news(self) -> None:
        """What other receivers heard; it is heard now, by this receiver's clock."""
        asked = self.now()
        news = await self.writer.read(lambda: self.store.news(self._batches))
        await self.refresh(news.version)
        self._confirmed = asked
        self._batches = dict(news.batches)
        for row in news.nodes:
            if row[8] == GONE:
                self._forget_here(row[0], name=row[1])
            else:
                self._heard_elsewhere(row)

    def _heard_elsewhere(self, row: Sequence[Any]) -> None:
        node, newer = self.fleet.take(row)
        if newer:
            node.heard = self.now()
            self.watches.heard(node)
        promised = self.promises.of(node.cluster)
        self.grants.give_elsewhere(node, promised=promised, now=self.now())

    async def forget(self, cluster: str, *, node: str) -> None:
        """Done once it is stored, so that the other receivers and the next life know it too."""
        gone = self._forget_here(cluster, name=node)
        if gone is not None:
            self.flusher.open.forget(gone)
            await asyncio.shield(self.flusher.committed())
        await self.writer.write(lambda: forget_grants(self.store, cluster=cluster, node=node))

    def _forget_here(self, cluster: str, *, name: str) -> Node | None:
        gone = self.fleet.forget(cluster, node=name)
        self.grants.forget(cluster, node=name)
        if gone is not None:
            self.flusher.open.nodes.pop(gone, None)
            self.watches.forget(gone)
        return gone

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.wall(), UTC)

    # --- its clock ---

    def tick(self) -> None:
        """Time has passed. After a stall, waiting heartbeats are read before silence is judged."""
        now = self.now()
        stalled = now - self._next_tick > _LATE_SECONDS
        if stalled and not self._late:
            self._late = True
        else:
            self._late = False
            if self.watches.tick(now):
                self.metrics.pauses.inc()
                log.warning("the receiver was paused; it listens anew")
        self._next_tick = now + self._sleep_seconds(now)

    def _sleep_seconds(self, now: float) -> float:
        tick = self.settings.tick.total_seconds()
        if self._late:
            return tick / 4
        moment = self.watches.next_moment()
        return tick if moment is None else min(tick, max(0.0, moment - now) + 0.001)

    async def _keep_time(self) -> None:
        await asyncio.sleep(max(0.0, self._next_tick - self.now()))
        self.tick()

    async def _keep_flushing(self) -> None:
        if not self.ready:
            await asyncio.sleep(_RETRY_SECONDS)
            await self.load()
            return
        await self.flusher.pause(idle=not len(self.fleet))
        await self.flush()

    async def flush(self) -> bool:
        """One batch, and what others have written; False: the database does not answer."""
        stored = await self.flusher.flush()
        try:
            await self.read_news()
        except (SQLAlchemyError, OSError) as error:
            log.warning("the database does not answer: %s", type(error).__name__)
            return False
        return stored

    async def _for_ever(self, life: Callable[[], Awaitable[object]]) -> None:
        """Whatever goes wrong once must not end it: a receiver that stops judging is deaf."""
        while True:
            try:
                await life()
            except Exception:
                log.exception("the receiver goes on after an error")
                await asyncio.sleep(_RETRY_SECONDS)

    # --- what the database knows ---

    async def load(self) -> None:
        """Read the tables. Only from then on it listens: it may have been made long before."""
        try:
            await self.writer.write(self.store.prepare, statements=2)
            remembered = await self.writer.read(self._remember)
        except (SQLAlchemyError, OSError) as error:
            log.error(  # noqa: TRY400 - a trace would tell no more, once a second
                "the receiver cannot read its tables (%s); run `airflow db migrate`",
                type(error).__name__,
            )
            return
        self._batches = dict(remembered.batches)
        self.started = self._next_tick = self._confirmed = self.now()
        self.watches.begin(self.started)
        self._promise(remembered.promises)
        self.ready = True
        self.on_ready()
        log.info("the receiver knows %d nodes and %d tokens", len(self.fleet), len(self.tokens))

    def _remember(self) -> Remembered:
        """In the writer's thread; before the receiver is ready nothing else looks at these."""
        remembered = self.store.load()
        for row in self.store.nodes():
            if row[8] != GONE:
                self.fleet.take(row)
        self.grants.load(remembered.grants)
        take_changes(self.store, book=self.tokens)
        return remembered

    async def _read_promises(self) -> None:
        promises = await self.writer.read(self.store.promises)
        await self.writer.read(lambda: take_changes(self.store, book=self.tokens))
        self._promise(promises)

    def _promise(self, promises: Promises) -> None:
        """Never an older one: two of these can come back in any order."""
        if promises.version >= self.promises.version:
            self.promises = promises
            self.grants.know(promises, now=self.now())
            self.watches.promise(promises)
