"""False failovers in 10^6 node-hours of clusters that never die; every real fault must be found.

What is simulated is in docs/reference/benchmarks.md. Two settings are run, the guide's and the
fast one, for 10^6 node-hours each, and both count.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from statistics import median

from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from benchmarks.faults.healthy import AGENTS, Tally, live
from benchmarks.faults.heartbeats import Setting
from benchmarks.faults.real import Found, lose_cluster, lose_node

NODE_HOURS = 1_000_000
PARTS, HOURS = 50, 400
"""Parts are what one process does at a time; each cluster lives for so many hours."""
FAULTS = 1_000
"""Clusters that die, and nodes that die, of each setting."""
SETTINGS = (Setting(interval=10, grace=20), Setting(interval=1, grace=3))
PATIENT = (Setting(interval=10, grace=70), Setting(interval=1, grace=7))
"""Seven intervals: for clusters with a single agent."""


@dataclass(frozen=True)
class Faults:
    clusters: list[Found]
    nodes: list[Found]


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        yield partial(_round, progress, workers)


def _round(progress: Progress, workers: ProcessPoolExecutor) -> Sample:
    tallies, breakdown = [], dict[str, float]()
    for setting in SETTINGS:
        with progress.step(f"{setting}: {NODE_HOURS} node-hours"):
            tally = _live(setting, workers=workers)
        with progress.step(f"{setting}: {2 * FAULTS} real faults"):
            faults = _faults(setting, workers=workers)
        tallies.append(tally)
        breakdown |= _lines(setting, tally=tally) | _fault_lines(setting, faults=faults)
    for setting in PATIENT:
        with progress.step(f"{setting}: {NODE_HOURS} node-hours"):
            tally = _live(setting, workers=workers)
        tallies.append(tally)
        breakdown |= _lines(setting, tally=tally)
    return Sample(sum(tally.false_failovers for tally in tallies), breakdown)


def _live(setting: Setting, *, workers: ProcessPoolExecutor) -> Tally:
    clusters = -(-NODE_HOURS // (PARTS * HOURS * AGENTS))
    part = partial(_part, setting, clusters)
    tally = Tally()
    for found in workers.map(part, range(PARTS)):
        tally.add(found)
    if tally.node_hours < NODE_HOURS:
        raise RuntimeError(f"only {tally.node_hours} node-hours were simulated")
    return tally


def _part(setting: Setting, clusters: int, seed: int) -> Tally:
    return live(setting, clusters=clusters, hours=HOURS, seed=seed)


def _faults(setting: Setting, *, workers: ProcessPoolExecutor) -> Faults:
    """Raises where one is not found."""
    clusters = workers.map(partial(_lose_cluster, setting), range(FAULTS), chunksize=50)
    nodes = workers.map(partial(_lose_node, setting), range(FAULTS), chunksize=50)
    return Faults(list(clusters), list(nodes))


def _lose_cluster(setting: Setting, seed: int) -> Found:
    return lose_cluster(setting, random=Random(seed))  # noqa: S311 - no secret


def _lose_node(setting: Setting, seed: int) -> Found:
    return lose_node(setting, random=Random(-1 - seed))  # noqa: S311 - no secret


def _lines(setting: Setting, *, tally: Tally) -> dict[str, float]:
    return {
        f"{setting}: silent nodes": tally.silent_nodes,
        f"{setting}: silent clusters": tally.silent_clusters,
        f"{setting}: moments decided": tally.decided,
        f"{setting}: one agent, false": tally.false_of_one_agent,
        f"{setting}: false failovers": tally.false_failovers,
    }


def _fault_lines(setting: Setting, *, faults: Faults) -> dict[str, float]:
    delays = [found.beyond_grace for found in faults.clusters]
    return {
        f"{setting}: real faults": 2 * FAULTS,
        f"{setting}: found": len(faults.clusters) + len(faults.nodes),
        f"{setting}: beyond grace, median s": median(delays),
        f"{setting}: beyond grace, most s": max(delays),
        f"{setting}: node found, median s": median(one.from_fault for one in faults.nodes),
        f"{setting}: node found, most s": max(one.from_fault for one in faults.nodes),
    }


BENCHMARK = Benchmark(unit="failovers", bar=AtMost(0), prepare=prepare, rounds=1)
