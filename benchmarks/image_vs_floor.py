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

        def measure() -> Sample:
            floor = floor_seconds(running, record)
            ours = ours_seconds(running, record)
            return Sample(ours / floor, {"ours, s": ours, "curl into curl, s": floor})

        yield measure


BENCHMARK = Benchmark(unit="ratio", bar=AtMost(1.25), prepare=prepare)
