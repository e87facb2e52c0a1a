"""Archive in S3 to image in the registry: our time over that of curl into curl, for 1 GiB."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from benchmarks.images.floor import floor_seconds
from benchmarks.images.servers import SIZE_MIB, ours_seconds, servers


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    with servers(progress) as running:
        with progress.step(f"an archive of {SIZE_MIB} MiB in S3"):
            record = running.stage(heap_mib=SIZE_MIB)
        ours_seconds(running, running.stage(heap_mib=1))  # imports Airflow

        sides = {
            "curl into curl, s": lambda: floor_seconds(running, record),
            "ours, s": lambda: ours_seconds(running, record),
        }
        order = list(sides)

        def measure() -> Sample:
            order.reverse()  # neither side always comes first
            seconds = {side: sides[side]() for side in order}
            breakdown = {side: seconds[side] for side in sides}
            return Sample(seconds["ours, s"] / seconds["curl into curl, s"], breakdown)

        yield measure


BENCHMARK = Benchmark(unit="ratio", bar=AtMost(1.25), prepare=prepare)
