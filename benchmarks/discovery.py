"""Seconds to find what deploys packages in a cluster of 5,000 pods and 500 workloads.

The lists are generated, each object with the bytes that a real API server sends (managed fields,
status), and served in pages by a process of its own, from where they lie ready: it cuts lists to
metadata as an API server does where it is asked to. Each round is a process of its own: first a
small namespace, so that imports and the connection are not in the figure, then all of it. The same
with four times the pods shows whether memory follows. More than 12 requests end the benchmark.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from benchmarks.discoveries.api_server import packages, serving

PODS, WORKLOADS, TIMES = 5_000, 500, 4
_MOST_REQUESTS = 12


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    with progress.step(f"making lists of {PODS} pods and {WORKLOADS} workloads"):
        large = serving(pods=PODS, workloads=WORKLOADS)
        larger = serving(pods=TIMES * PODS, workloads=WORKLOADS)
    with large as url, larger as url_of_larger:
        yield lambda: _round(url, url_of_larger=url_of_larger)


def _round(url: str, *, url_of_larger: str) -> Sample:
    one, more = _discover(url), _discover(url_of_larger)
    if one["requests"] > _MOST_REQUESTS:
        raise RuntimeError(f"{one['requests']} requests, and {_MOST_REQUESTS} are the most")
    if {one["found"], more["found"]} != {packages(workloads=WORKLOADS)}:
        raise RuntimeError(f"found {one['found']} and {more['found']} packages")
    return Sample(
        one["seconds"],
        {
            "requests": one["requests"],
            "found": one["found"],
            "read, MB": one["read_mb"],
            "peak memory growth, MB": one["growth_mb"],
            f"{TIMES} times the pods, s": more["seconds"],
            f"{TIMES} times the pods, growth, MB": more["growth_mb"],
        },
    )


def _discover(url: str) -> dict[str, float]:
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.discoveries.discover_once", url],
        env=dict(os.environ),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    found: dict[str, float] = json.loads(output.splitlines()[-1])
    return found


BENCHMARK = Benchmark(unit="s", bar=AtMost(2), prepare=prepare)
