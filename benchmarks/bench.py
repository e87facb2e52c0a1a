"""What all benchmarks share: their registry, rounds, progress and the way results are printed.

To add one, write a module whose name is the benchmark's with underscores (`image-memory` is
`benchmarks/image_memory.py`); the folder is the registry. It holds `BENCHMARK = Benchmark(unit=...,
bar=AtMost(150), prepare=prepare)`, where `prepare(progress)` is a context manager that starts what
is needed, yields a function that measures one round and returns a `Sample(figure, breakdown)`, and
cleans up. Both sides of a comparison belong into one round, so that a busy machine hits both. The
median of the rounds' figures is the result. `BENCH_ROUNDS` (5) shortens a trial run.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TextIO

_NO_BENCHMARKS = frozenset({"__init__", "__main__", "archive_file", "bench", "relay"})


@dataclass(frozen=True)
class AtMost:
    limit: float

    def __str__(self) -> str:
        return f"at most {self.limit:g}"

    def holds(self, figure: float) -> bool:
        return figure <= self.limit


@dataclass(frozen=True)
class AtLeast:
    limit: float

    def __str__(self) -> str:
        return f"at least {self.limit:g}"

    def holds(self, figure: float) -> bool:
        return figure >= self.limit


@dataclass(frozen=True)
class Sample:
    """One round: the figure that the bar is about, and where it comes from."""

    figure: float
    breakdown: Mapping[str, float] = field(default_factory=dict)
    """Each label ends in its unit: `ours, s`."""


@dataclass(frozen=True)
class Progress:
    """Lines on stderr as it goes, each with the seconds since the start."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    started: float = field(default_factory=time.monotonic)

    def say(self, line: str) -> None:
        print(f"{time.monotonic() - self.started:7.1f}s  {line}", file=self.stream, flush=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        self.say(what)
        begun = time.monotonic()
        yield
        self.say(f"{what}: {time.monotonic() - begun:.2f} s")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    unit: str
    bar: AtMost | AtLeast
    prepare: Callable[[Progress], AbstractContextManager[Callable[[], Sample]]]
    rounds: int = 5


def names() -> list[str]:
    modules = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(name.replace("_", "-") for name in modules if name not in _NO_BENCHMARKS)


def find(name: str) -> Benchmark:
    module = import_module(f"benchmarks.{name.replace('-', '_')}")
    benchmark = module.BENCHMARK
    if not isinstance(benchmark, Benchmark):
        raise TypeError(f"{module.__name__}.BENCHMARK is no Benchmark but {benchmark!r}")
    return benchmark


def run(name: str, benchmark: Benchmark, *, progress: Progress | None = None) -> float:
    """Measure, print breakdown and bar, and as the last line `<name> <figure> <unit>`."""
    progress = progress or Progress()
    rounds = int(os.environ.get("BENCH_ROUNDS", benchmark.rounds))
    progress.say(f"{name}: {rounds} rounds, bar {benchmark.bar} {benchmark.unit}")
    samples = []
    with benchmark.prepare(progress) as measure:
        for number in range(1, rounds + 1):
            samples.append(measure())
            progress.say(f"round {number} of {rounds}: {_line(samples[-1], benchmark.unit)}")
    figure = statistics.median(sample.figure for sample in samples)
    verdict = "met" if benchmark.bar.holds(figure) else "NOT met"
    print(f"{'':32}{'median':>10}{'lowest':>10}{'highest':>10}")
    for label in samples[0].breakdown:
        print(_row(label, [sample.breakdown[label] for sample in samples]))
    print(_row(f"{name}, {benchmark.unit}", [sample.figure for sample in samples]))
    print(f"bar: {benchmark.bar} {benchmark.unit}: {verdict}")
    print(f"{name} {figure:.3g} {benchmark.unit}", flush=True)
    return figure


def _line(sample: Sample, unit: str) -> str:
    parts = [f"{label} {number:.3g}" for label, number in sample.breakdown.items()]
    return "; ".join([f"{sample.figure:.3g} {unit}", *parts])


def _row(label: str, numbers: Sequence[float]) -> str:
    columns = (statistics.median(numbers), min(numbers), max(numbers))
    return f"{label:32}" + "".join(f"{number:10.3f}" for number in columns)
