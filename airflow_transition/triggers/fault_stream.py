"""The stream that all fault triggers of a receiver share: who is silent, and what else says so.

It holds one long poll. From half the grace period on a silent cluster's API server is asked, so
that its answer, or the time that an answer is waited for, is over when the grace period is.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from airflow_transition.core.claim import Claim
from airflow_transition.core.cluster_health import ApiSign, SecondSignal, agents
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.fault_memory import FleetSight
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health

_LOOK_MOST_SECONDS = 10.0
"""Who begins to listen later sees the fleet after so long at the latest."""
_SETTLING_SECONDS = 10.0
"""So long after the start others may join, and are shown the fleet every second."""
_CLAIMS_SECONDS = 10.0
_BACKOFF_SECONDS = (0.2, 5.0)
_ASK_SECONDS = (1.0, 5.0)
_COST_SHARE = 10
"""Of the time, at most a tenth goes into looking."""

WATCHING = "watching the fleet"
"""Said in the log each time that the receiver is reached."""

log = logging.getLogger(__name__)


class Fleet(Protocol):
    """What HeartbeatWatch does."""

    async def fleet(
        self, *, grace: timedelta, after: int | None, wait: timedelta
    ) -> FleetReport: ...

    async def claims(self, *, cluster: str) -> tuple[Claim, ...]: ...


class Signals(Protocol):
    """What SecondSignals does."""

    async def ask(
        self, cluster: str, *, silent_nodes: Collection[str], within: timedelta
    ) -> SecondSignal: ...

    def forget(self, cluster: str) -> None: ...


Connect = Callable[[], Coroutine[Any, Any, AbstractAsyncContextManager[Fleet]]]


@dataclass
class _Suspect:
    """A cluster with an agent that was not heard for half the grace period."""

    report: ClusterReport
    silent_nodes: frozenset[str]
    grace_ends: float
    """When the grace period of the node that was heard last among them ends."""
    asking: asyncio.Task[None] | None = None
    more: asyncio.Event = field(default_factory=asyncio.Event)
    """Other agents fell silent as well: ask now."""
    second: SecondSignal | None = None
    claims: tuple[Claim, ...] = ()
    claims_at: float | None = None
    claims_epoch: int = 0


@dataclass
class FaultStream:
    """Yields what is seen whenever it changes, for ever. `connect` gives the receiver anew."""

    connect: Connect
    signals: Signals
    grace: timedelta
    _suspects: dict[str, _Suspect] = field(default_factory=dict, init=False)
    _fleet: FleetReport | None = field(default=None, init=False)
    _at: float = field(default=0.0, init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _cost: float = field(default=0.0, init=False)
    """Seconds that the newest look took once it was answered."""

    async def run(self) -> AsyncGenerator[FleetSight]:
        watching = asyncio.create_task(self._watch(), name="transition-fleet")
        watching.add_done_callback(lambda _: self._changed.set())
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if watching.done():
                    watching.result()
                if self._fleet is not None:
                    yield self._sight(self._fleet)
        finally:
            watching.cancel()
            self._forget_all()
            await asyncio.wait({watching})

    def _sight(self, fleet: FleetReport) -> FleetSight:
        suspects = self._suspects.items()
        return FleetSight(
            fleet=fleet,
            seconds={name: one.second for name, one in suspects if one.second is not None},
            claims={name: one.claims for name, one in suspects},
            at=self._at,
            seen=datetime.now(UTC),
        )

    async def _watch(self) -> None:
        """While the receiver cannot be asked nothing is seen, and so nothing told."""
        shortest, longest = _BACKOFF_SECONDS
        pause = shortest
        while True:
            try:
                async with await self.connect() as receiver:
                    begun, version = _now(), None
                    log.info("%s by a grace period of %s", WATCHING, self.grace)
                    while True:
                        wait = self._next_look(begun=begun)
                        version = await self._look(receiver, after=version, wait=wait)
                        pause = shortest
            except TransitionError as error:
                log.warning("the fleet is not seen, and no fault told, for now: %s", error)
            except Exception:  # its end would end all triggers, and with them what they remember
                log.exception("the fleet is not seen, and no fault told, for now")
            self._fleet = None
            self._forget_all()
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    async def _look(self, receiver: Fleet, *, after: int | None, wait: float) -> int:
        fleet = await receiver.fleet(grace=self.grace, after=after, wait=timedelta(seconds=wait))
        self._at = _now()
        self._suspect(fleet)
        suspects = self._suspects.values()
        await asyncio.gather(*(self._read_claims(one, receiver=receiver) for one in suspects))
        self._fleet = fleet
        self._changed.set()
        await asyncio.sleep(0)  # the sights of all triggers come first
        self._cost = _now() - self._at
        return fleet.version

    def _next_look(self, *, begun: float) -> float:
        """Seconds until an agent could have been silent for half the grace period.

        In a fleet so large that looking takes long, it is done less often.
        """
        grace = self.grace.total_seconds()
        settling = _now() - begun < _SETTLING_SECONDS
        longest = min(1.0 if settling else _LOOK_MOST_SECONDS, grace / 2)
        if self._fleet is None:
            return longest
        left = (
            grace / 2 - age - (_now() - self._at)
            for report in self._fleet.clusters
            for _, age in _silences(report, fleet=self._fleet)
            if age < grace / 2
        )
        shortest = max(grace / 10, _COST_SHARE * self._cost)
        return max(min(longest, min(left, default=longest)), shortest)

    def _suspect(self, fleet: FleetReport) -> None:
        """Begin to ask the API servers of clusters that fell silent, and end it of those heard."""
        silent = dict(self._silent(fleet))
        for cluster in self._suspects.keys() - silent.keys():
            self._forget(cluster)
        for cluster, found in silent.items():
            known = self._suspects.get(cluster)
            if known is None:
                found.asking = asyncio.create_task(self._ask(found), name=f"ask-{cluster}")
                self._suspects[cluster] = found
            else:
                if found.silent_nodes > known.silent_nodes:
                    known.more.set()
                known.report, known.silent_nodes = found.report, found.silent_nodes
                known.grace_ends = found.grace_ends

    def _silent(self, fleet: FleetReport) -> Iterator[tuple[str, _Suspect]]:
        grace = self.grace.total_seconds()
        for report in fleet.clusters:
            ages = {node: age for node, age in _silences(report, fleet=fleet) if age >= grace / 2}
            if ages:
                ends = self._at + grace - min(ages.values())
                yield report.cluster, _Suspect(report, frozenset(ages), ends)

    async def _ask(self, suspect: _Suspect) -> None:
        """Ask while the cluster is silent: early, and again right before its time is over."""
        shortest, longest = _ASK_SECONDS
        grace = self.grace.total_seconds()
        timeout = min(max(grace / 5, shortest), longest)
        while True:
            suspect.more.clear()
            second = await self._second(suspect, within=timedelta(seconds=timeout))
            if second != suspect.second:
                suspect.second = second
                log.info("%s: %s", suspect.report.cluster, second)
                self._changed.set()
            left = suspect.grace_ends - _now()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(
                    _until_next_question(left, timeout=timeout, grace=grace)
                ):
                    await suspect.more.wait()

    async def _second(self, suspect: _Suspect, *, within: timedelta) -> SecondSignal:
        cluster = suspect.report.cluster
        try:
            return await self.signals.ask(cluster, silent_nodes=suspect.silent_nodes, within=within)
        except Exception as error:  # one cluster's set-up must not end the watch of all
            log.exception("the API server of %s could not be asked", cluster)
            return SecondSignal(ApiSign.NOT_KNOWN, type(error).__name__)

    async def _read_claims(self, suspect: _Suspect, *, receiver: Fleet) -> None:
        epoch = suspect.report.epoch
        old = suspect.claims_at is None or _now() - suspect.claims_at > _CLAIMS_SECONDS
        if old or epoch != suspect.claims_epoch:
            suspect.claims = await receiver.claims(cluster=suspect.report.cluster)
            suspect.claims_at, suspect.claims_epoch = _now(), epoch

    def _forget(self, cluster: str) -> None:
        suspect = self._suspects.pop(cluster)
        if suspect.asking is not None:
            suspect.asking.cancel()
        self.signals.forget(cluster)

    def _forget_all(self) -> None:
        for cluster in tuple(self._suspects):
            self._forget(cluster)


def _silences(report: ClusterReport, *, fleet: FleetReport) -> Sequence[tuple[str, float]]:
    """Each agent that counts, with the seconds since it was heard."""
    return [
        (
            node.node,
            fleet.listening_seconds if node.silent_seconds is None else node.silent_seconds,
        )
        for node in agents(report)
        if node.health is not Health.UNKNOWN or node.silent_seconds is not None
    ]


def _until_next_question(left: float, *, timeout: float, grace: float) -> float:
    """Seconds to the next question, of which `left` remain of the grace period.

    The last one begins early enough to be over by then. Afterwards a cluster is asked less and
    less often.
    """
    last = left - timeout - grace / 10
    if last > 0:
        return last
    if left > 0:
        return grace / 10
    return min(max(1.0, -left / 10), _LOOK_MOST_SECONDS)


def _now() -> float:
    return asyncio.get_running_loop().time()
