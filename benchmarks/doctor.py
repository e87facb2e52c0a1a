"""Seconds that `airflow transition doctor` takes for two clusters of 50 nodes.

From the start of the command to its end, Airflow's own start included. API servers are simulated,
each answer 100 ms away; Git, S3 (with the facts of 100 nodes) and the registry are real ones. In
the same round it is asked again while one API server takes packets and answers none.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from airflow_transition.core.doctor import Check, Report, Status
from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from benchmarks.checkups.api_server import SimulatedApi
from benchmarks.checkups.ground import SOURCE, TARGET, Ground, lay
from benchmarks.detections.api_server import dropping, kubernetes_connection
from lab.services.loopback import Loopback

_PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class _Stage:
    home: Path
    ground: Ground
    silent: Ground
    """The same, but that the target's API server answers nothing."""
    apis: tuple[SimulatedApi, ...]


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doctor-")))
        loopback = stack.enter_context(Loopback())
        apis = tuple(stack.enter_context(SimulatedApi(name)) for name in (SOURCE, TARGET))
        with progress.step("Git, S3 and a registry, and the facts of 100 nodes"):
            ground = lay(
                folder,
                git=loopback.start_git(),
                s3=loopback.start_s3(),
                registry=loopback.start_registry(),
                apis={api.cluster: api.url for api in apis},
            )
        port = stack.enter_context(dropping())
        silent = Ground(ground.policy, {**ground.connections, TARGET: kubernetes_connection(port)})
        stage = _Stage(folder / "home", ground, silent, apis)
        with progress.step("Airflow writes its configuration"):
            _ask(stage, ground)
        yield lambda: _round(stage)


def _round(stage: _Stage) -> Sample:
    before = sum(len(api.calls) for api in stage.apis)
    seconds, report = _ask(stage, stage.ground)
    if report.failed:
        raise RuntimeError(f"nothing should be wrong: {report.failed[0].sentence}")
    calls = sum(len(api.calls) for api in stage.apis) - before
    silent_seconds, silent = _ask(stage, stage.silent)
    if {one.check for one in silent.failed} != {Check.API_SERVER}:
        raise RuntimeError(f"one API server is away, and this failed: {silent.failed}")
    return Sample(
        seconds,
        {
            "with one API server silent, s": silent_seconds,
            "findings": len(report.findings),
            "findings that are ok": report.count(Status.OK),
            "requests to both API servers": calls,
            "of them at once to one, at most": max(api.most_at_once for api in stage.apis),
        },
    )


def _ask(stage: _Stage, ground: Ground) -> tuple[float, Report]:
    begun = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "airflow", "transition", "doctor"),
            *(str(ground.policy), "--json"),
        ],
        env={
            **os.environ,
            **ground.environment(),
            "AIRFLOW_HOME": str(stage.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{stage.home}/airflow.db",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    seconds = time.perf_counter() - begun
    if not done.stdout:
        raise RuntimeError(done.stderr)
    return seconds, Report.model_validate(json.loads(done.stdout))


BENCHMARK = Benchmark(unit="s", bar=AtMost(15), prepare=prepare)
