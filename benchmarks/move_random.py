"""Seconds to move a process with 1 GiB of random heap, ours over Podman's own way."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from benchmarks.moves.rounds import lab_rounds


def prepare(progress: Progress) -> AbstractContextManager[Callable[[], Sample]]:
    return lab_rounds(progress, heap_kind="random")


BENCHMARK = Benchmark(unit="ratio", bar=AtMost(0.6), prepare=prepare)
