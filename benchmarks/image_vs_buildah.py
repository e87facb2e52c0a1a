"""Archive in S3 to image in the registry: buildah's time over ours, for 1 GiB of random heap."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.bench import AtLeast, Benchmark, Progress, Sample
from benchmarks.images.buildah import Buildah, install
from benchmarks.images.servers import SIZE_MIB, ours_seconds, servers


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    install(progress)
    with servers(progress) as running:
        with progress.step(f"an archive of {SIZE_MIB} MiB in S3"):
            record = running.stage(heap_mib=SIZE_MIB)
        ours_seconds(running, running.stage(heap_mib=1))  # imports Airflow
        buildah = Buildah(running)

        def measure() -> Sample:
            ours = ours_seconds(running, record)
            steps = buildah.seconds(record)
            total = sum(steps.values())
            breakdown = {f"buildah {step}, s": seconds for step, seconds in steps.items()}
            return Sample(total / ours, {"ours, s": ours, "buildah's way, s": total, **breakdown})

        yield measure


BENCHMARK = Benchmark(unit="times", bar=AtLeast(4), prepare=prepare)
