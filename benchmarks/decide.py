"""Seconds from the failover run's creation to the target's API server wanting the packages.

Decide, fence, commit and sync, which is `plan` and `promote` with all of Airflow's costs, in a lab
whose first cluster loses its node, its network and its API server at once. The breakdown has the
same without Airflow's costs: what the two tasks themselves took.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from lab import lifecycle, video
from lab.airflow import AirflowInstance, free_port
from lab.client import Client, wait_for
from lab.connections import connections_of
from lab.description import CLUSTERS, LabDescription, LabSettings
from lab.failovers import FAILBACK_DAG, FAILOVER_DAG, Failovers
from lab.policy import write_sample_policy
from lab.receiver import Receiver
from lab.story import Story

_SOURCE = CLUSTERS[0]
_DAGS = Path(__file__).resolve().parent.parent / "dags"
_POLICY = """\
  failover:
    gracePeriodSeconds: 3
    leaseSeconds: 2
    limits: {clustersPerHour: 100}
"""


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    story = Story(write=progress.say)
    with tempfile.TemporaryDirectory(prefix="decide-bench-") as folder:
        settings = LabSettings(
            name="decide", subnet=IPv4Network("10.87.201.0/24"), state=Path(folder) / "lab"
        )
        try:
            lab = lifecycle.up(settings, story)
            with _airflow(lab) as airflow:
                failovers = Failovers.begin(lab, airflow=airflow, story=story)
                yield lambda: _round(failovers, story=story)
        finally:
            lifecycle.down(settings)


def _airflow(lab: LabDescription) -> AirflowInstance:
    policies = lab.state / "policies"
    write_sample_policy(lab, folder=policies, more=_POLICY)
    return AirflowInstance(
        lab.state / "airflow",
        dags_folder=_DAGS,
        policies_folder=policies,
        connections=connections_of(lab),
        port=free_port(),
        companions={"receiver": Receiver(lab)},
    )


def _round(failovers: Failovers, *, story: Story) -> Sample:
    """One failover and the way back; the figure is of the first alone."""
    failovers.restore_point(story=story)
    failovers.wait_leases(_SOURCE)
    faults = failovers.faults(_SOURCE)
    known = failovers.runs()
    faults.kill()
    run_id = failovers.wait_run(beside=known)
    sample = _sample(failovers, run_id=run_id)
    faults.restore()
    source = Client(failovers.lab, cluster=_SOURCE, namespace=video.NAMESPACE)
    wait_for(lambda: not source.pods(), what=f"{_SOURCE} runs nothing of {video.PACKAGE}")
    back = failovers.airflow.trigger(FAILBACK_DAG, conf={"package": video.PACKAGE})
    _succeeded(failovers.airflow, FAILBACK_DAG, run_id=back)
    return sample


def _sample(failovers: Failovers, *, run_id: str) -> Sample:
    airflow = failovers.airflow
    _succeeded(airflow, FAILOVER_DAG, run_id=run_id)
    run = airflow.rest("GET", f"dags/{FAILOVER_DAG}/dagRuns/{run_id}")
    began = datetime.fromisoformat(run["queued_at"] or run["start_date"])
    ends = _ends(airflow, run_id=run_id)
    (plan,) = airflow.xcom(FAILOVER_DAG, run_id=run_id, task_id="plan")["plans"]
    promoted: dict[str, float] = failovers.transition(plan["id"])["promoted"]["seconds"]
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


def _ends(airflow: AirflowInstance, *, run_id: str) -> dict[str, datetime]:
    path = f"dags/{FAILOVER_DAG}/dagRuns/{run_id}/taskInstances"
    found: list[dict[str, Any]] = airflow.rest("GET", path)["task_instances"]
    return {task["task_id"]: datetime.fromisoformat(task["end_date"]) for task in found}


def _succeeded(airflow: AirflowInstance, dag_id: str, *, run_id: str) -> None:
    state = airflow.wait_run(dag_id, run_id=run_id, timeout=timedelta(minutes=4))
    if state != "success":
        raise RuntimeError(f"{dag_id} {run_id} ended as {state}")


BENCHMARK = Benchmark(unit="s", bar=AtMost(3), prepare=prepare)
