"""Peak resident MB (2**20 bytes) of a process that pushes an image, Airflow's imports included.

A process of its own for each archive: 64 MiB and 4 GiB, as they are and as the agent compresses
them. The largest is the figure.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product

from transition_wire.checkpoint_record import CheckpointRecord

from benchmarks.archive_file import MIB
from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from benchmarks.images.servers import SIZE_MIB, Servers, servers

_SIZES_MIB = (64, 4 * SIZE_MIB)


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    with servers(progress) as running:
        records = {}
        for size, compressed in product(_SIZES_MIB, (False, True)):
            name = f"{size} MiB archive{' as zstd' if compressed else ''}"
            with progress.step(f"{name} in S3"):
                records[name] = running.stage(heap_mib=size, compressed=compressed)

        def measure() -> Sample:
            breakdown = {}
            for name, record in records.items():
                imported, peak = _push(running, record)
                breakdown["after imports, MB"] = imported
                breakdown[f"{name}, MB"] = peak
            return Sample(max(breakdown.values()), breakdown)

        yield measure


def _push(running: Servers, record: CheckpointRecord) -> tuple[float, float]:
    file = running.folder / "record.json"
    file.write_text(record.model_dump_json())
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.images.push_once", file],
        env={**os.environ, **running.connections()},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    imported, peak = (int(number) / MIB for number in output.split()[-2:])
    return imported, peak


BENCHMARK = Benchmark(unit="MB", bar=AtMost(150), prepare=prepare)
