"""Milliseconds per DAG from policy files to DAG objects, for 1,000 policies in 1,000 files.

Parse and build, as one DAG processor does it for a whole folder; Airflow's serialisation is left
out. A tenth of the policies is measured in the same round: where the cost per DAG is the same for
both, it is linear.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow_transition.core.policy_files import find_policies
from airflow_transition.dag_builder import build_dags
from benchmarks.bench import AtMost, Benchmark, Progress, Sample

POLICIES, FEWER = 1_000, 100
_SAMPLE = Path(__file__).parents[1] / "dags" / "policies" / "clusterpolicy-sample.yaml"


@dataclass(frozen=True)
class Cost:
    """What a folder of policies takes."""

    dags: int
    parse_seconds: float
    build_seconds: float
    cpu_seconds: float
    """Of both together; what other processes take from this one is not in it."""

    @property
    def ms_per_dag(self) -> float:
        return 1_000 * (self.parse_seconds + self.build_seconds) / self.dags

    @property
    def cpu_ms_per_dag(self) -> float:
        return 1_000 * self.cpu_seconds / self.dags


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    with TemporaryDirectory() as folder:
        with progress.step(f"writing {POLICIES} policies, each with two DAGs"):
            many = _write(Path(folder) / "many", count=POLICIES)
            fewer = _write(Path(folder) / "fewer", count=FEWER)
        with progress.step("importing what a DAG processor has imported"):
            _cost(_write(Path(folder) / "one", count=1))
        yield lambda: _round(many, fewer=fewer)


def _write(folder: Path, *, count: int) -> Path:
    """The guide's sample policy, as it is but for its name."""
    folder.mkdir()
    text = _SAMPLE.read_text()
    for number in range(count):
        name = f"policy-{number}"
        (folder / f"{name}.yaml").write_text(text.replace("clusterpolicy-sample", name))
    return folder


def _round(many: Path, *, fewer: Path) -> Sample:
    few, cost = _cost(fewer), _cost(many)
    return Sample(
        cost.ms_per_dag,
        {
            "parse, ms per policy": 1_000 * cost.parse_seconds / POLICIES,
            "build, ms per DAG": 1_000 * cost.build_seconds / cost.dags,
            "CPU of both, ms per DAG": cost.cpu_ms_per_dag,
            f"the same, {FEWER} policies, ms": few.cpu_ms_per_dag,
            "one over the other (linear: 1)": cost.cpu_ms_per_dag / few.cpu_ms_per_dag,
        },
    )


def _cost(folder: Path) -> Cost:
    cpu = time.process_time()
    begun = time.perf_counter()
    found = find_policies(folder)
    parsed = time.perf_counter()
    dags = [dag for policy in found.policies for dag in build_dags(policy)]
    built = time.perf_counter()
    cpu = time.process_time() - cpu
    if found.errors:
        raise RuntimeError(f"the policies that were written are broken: {found.errors[0]}")
    return Cost(len(dags), parsed - begun, built - parsed, cpu)


BENCHMARK = Benchmark(unit="ms", bar=AtMost(5), prepare=prepare)
