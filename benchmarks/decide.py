"""Seconds from the failover run's creation to the target's API server wanting the package.

Decide, fence, commit and sync, which is `plan` and `promote` with all of Airflow's costs, in a lab
whose cluster loses its node, its network and its API server at once. The breakdown has the same
without Airflow's costs: what the two tasks themselves took. Each round goes the other way.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from lab.description import CLUSTERS, LabSettings
from lab.failover_lab import failover_lab
from lab.failovers import FAILOVER_DAG, Failovers
from lab.heartbeats import wait_for_heartbeats
from lab.story import Story


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    story = Story(write=progress.say)
    with TemporaryDirectory(prefix="decide-bench-") as folder:
        settings = LabSettings(
            name="decide", subnet=IPv4Network("10.87.202.0/24"), state=Path(folder) / "lab"
        )
        with failover_lab(settings, story=story) as failovers:
            yield _Rounds(failovers, story=story).measure


class _Rounds:
    def __init__(self, failovers: Failovers, *, story: Story) -> None:
        self._failovers, self._story = failovers, story
        self._source, self._target = CLUSTERS

    def measure(self) -> Sample:
        failovers = self._failovers
        wait_for_heartbeats(failovers.receiver, clusters=CLUSTERS)
        failovers.restore_point(story=self._story)
        failovers.wait_leases(self._source)
        faults, known = failovers.faults(self._source), failovers.runs()
        faults.kill()
        run_id = failovers.wait_run(beside=known)
        sample = self._sample(run_id)
        faults.restore()
        self._source, self._target = self._target, self._source
        return sample

    def _sample(self, run_id: str) -> Sample:
        airflow = self._failovers.airflow
        state = airflow.wait_run(FAILOVER_DAG, run_id=run_id, timeout=timedelta(minutes=4))
        if state != "success":
            raise RuntimeError(f"{FAILOVER_DAG} {run_id} ended as {state}")
        run = airflow.rest("GET", f"dags/{FAILOVER_DAG}/dagRuns/{run_id}")
        began = datetime.fromisoformat(run["queued_at"] or run["start_date"])
        ends = self._ends(run_id)
        (plan,) = airflow.xcom(FAILOVER_DAG, run_id=run_id, task_id="plan")["plans"]
        story = self._failovers.transition(plan["id"])
        promoted: dict[str, float] = story["promoted"]["seconds"]
        total = (ends["promote"] - began).total_seconds()
        own = plan["seconds"] + sum(promoted.values())
        return Sample(
            total,
            {
                "to the end of plan, s": (ends["plan"] - began).total_seconds(),
                "plan itself, s": plan["seconds"],
                **{f"promote: {step}, s": seconds for step, seconds in promoted.items()},
                "without Airflow's costs (1), s": own,
                "Airflow's costs, s": total - own,
            },
        )

    def _ends(self, run_id: str) -> dict[str, datetime]:
        path = f"dags/{FAILOVER_DAG}/dagRuns/{run_id}/taskInstances"
        found: list[dict[str, Any]] = self._failovers.airflow.rest("GET", path)["task_instances"]
        return {task["task_id"]: datetime.fromisoformat(task["end_date"]) for task in found}


BENCHMARK = Benchmark(unit="s", bar=AtMost(3), prepare=prepare)
