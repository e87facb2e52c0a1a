"""Heartbeats per second that one process of the receiver takes, on PostgreSQL, for a minute.

50,000 nodes with a token each send 1 KB in turn, over connections that stay open, at a rate a
little above the bar. The round counts only if every heartbeat was taken, the slowest hundredth
of the answers came within 100 ms of the moment when their heartbeat was due, the database saw at
most 100 transactions a second (reads too, by its own count), memory stayed under 300 MB and flat,
and at the end the database holds the newest heartbeat of each node.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.bench import AtLeast, Benchmark, Progress, Sample
from benchmarks.receivers.agents import Fleet, Load, Outcome
from benchmarks.receivers.ground import NODES, Ground, ground

OFFERED, SECONDS, WARM_SECONDS = 5_200, 60.0, 30.0
CONNECTIONS = 500
MOST_P99, MOST_TRANSACTIONS, MOST_MEGABYTES, MOST_GROWTH = 0.1, 100, 300, 5
_MEGA = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One round, before it is judged."""

    outcome: Outcome
    megabytes: list[float]
    transactions: float
    writes: float
    cpu_share: float
    others_share: float
    ready: float
    stored: bool

    @property
    def growth(self) -> float:
        """Of memory, from the first to the last third."""
        third = len(self.megabytes) // 3
        return statistics.mean(self.megabytes[-third:]) - statistics.mean(self.megabytes[:third])

    def faults(self) -> list[str]:
        """Every side condition that does not hold."""
        p99, other = self.outcome.percentile(0.99), dict(self.outcome.statuses)
        other.pop(b"200", None)
        checks = {
            f"p99 is {1000 * p99:.0f} ms": p99 <= MOST_P99,
            f"refused: {other}": not other,
            f"{self.outcome.unanswered} without an answer": self.outcome.unanswered == 0,
            f"{self.transactions:.0f} transactions/s": self.transactions <= MOST_TRANSACTIONS,
            f"{max(self.megabytes):.0f} MB": max(self.megabytes) < MOST_MEGABYTES,
            f"memory grew by {self.growth:.1f} MB": self.growth <= MOST_GROWTH,
            f"{self.ready:.0f} nodes are Ready": self.ready == NODES,
            "the database does not hold each node's newest heartbeat": self.stored,
        }
        return [fault for fault, holds in checks.items() if not holds]


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    progress.say(f"starting PostgreSQL and the receiver with {NODES} nodes")
    with ground() as there:
        fleet = Fleet(there.tokens, names=there.names, port=there.port)
        with progress.step("hearing each node, for longer than the grace period"):
            asyncio.run(_measure(there, fleet=fleet, seconds=WARM_SECONDS))
        yield lambda: _round(there, fleet=fleet)


def _round(there: Ground, *, fleet: Fleet) -> Sample:
    measured = asyncio.run(_measure(there, fleet=fleet, seconds=SECONDS))
    outcome = measured.outcome
    sample = Sample(
        outcome.per_second,
        {
            "offered, heartbeats/s": OFFERED,
            "median, ms": 1000 * outcome.percentile(0.5),
            "p99, ms": 1000 * outcome.percentile(0.99),
            "slowest, ms": 1000 * outcome.percentile(1),
            "refused or unanswered": outcome.statuses.total()
            - outcome.statuses[b"200"]
            + outcome.unanswered,
            "transactions/s, reads too": measured.transactions,
            "writes/s, as the receiver counts": measured.writes,
            "memory, MB": max(measured.megabytes),
            "memory's growth, MB": measured.growth,
            "nodes known and Ready": measured.ready,
            "the receiver's share of a core": measured.cpu_share,
            "cores that all else took": measured.others_share,
        },
    )
    if faults := measured.faults():
        lines = "; ".join(f"{label} {number:.3g}" for label, number in sample.breakdown.items())
        raise RuntimeError(f"the round does not count: {', '.join(faults)}. {lines}")
    return sample


async def _measure(there: Ground, *, fleet: Fleet, seconds: float) -> Measured:
    load = Load(fleet, port=there.port, connections=CONNECTIONS)
    await load.connect()
    megabytes: list[float] = []
    watching = asyncio.create_task(_watch(there, megabytes=megabytes))
    begun, cpu, others = time.monotonic(), there.cpu_seconds(), there.others_cpu_seconds()
    commits, writes = there.commits(), there.metric("transition_database_writes_total")
    outcome = await load.run(per_second=OFFERED, seconds=seconds)
    passed = time.monotonic() - begun
    watching.cancel()
    load.close()
    return Measured(
        outcome=outcome,
        megabytes=megabytes,
        transactions=(there.commits() - commits) / passed,
        writes=(there.metric("transition_database_writes_total") - writes) / passed,
        cpu_share=(there.cpu_seconds() - cpu) / passed,
        others_share=(there.others_cpu_seconds() - others) / passed,
        ready=there.metric('transition_nodes{health="Ready"}'),
        stored=await _stored(there, fleet=fleet),
    )


async def _watch(there: Ground, *, megabytes: list[float]) -> None:
    while True:
        megabytes.append(there.resident_bytes() / _MEGA)
        await asyncio.sleep(0.5)


async def _stored(there: Ground, *, fleet: Fleet) -> bool:
    """The last batch needs some fractions of a second."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if there.sequences() == fleet.last_sequences():
            return True
        await asyncio.sleep(0.2)
    return False


BENCHMARK = Benchmark(unit="heartbeats/s", bar=AtLeast(5_000), prepare=prepare)
