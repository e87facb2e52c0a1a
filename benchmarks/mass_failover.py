"""Seconds until 1,000 packages of one lost cluster run on another, all at once.

10 policies of 100 packages each: real heartbeats to the real receiver in Airflow's API server, real
Airflow on PostgreSQL, a real Git server with one repository for each cluster, a real S3 server. The
pods are simulated. It begins with the first failover run and ends when every run has ended; that
there is one commit for each policy in each repository is checked.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from airflow_transition.core.move import MOVE_TRAILER
from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from benchmarks.mass.agents import Agents
from benchmarks.mass.ground import (
    PACKAGES,
    POLICIES,
    SOURCE,
    TARGET,
    Repository,
    connections,
    policy_names,
    put_restore_points,
    seed_repository,
    write_policies,
)
from benchmarks.mass.target import SimulatedTarget, wait_running
from lab.airflow import AirflowInstance, free_port
from lab.services.loopback import Loopback
from lab.services.postgresql import PostgreSql

_DAGS = Path(__file__).resolve().parent.parent / "dags"
_SECONDS = 600.0
_SHOWN = 10
_SETTINGS = {
    # Airflow's defaults: a scheduler that is busy for longer takes its own queued tasks for lost
    ("scheduler", "orphaned_tasks_check_interval"): "300",
    ("scheduler", "scheduler_health_check_threshold"): "30",
    ("scheduler", "task_instance_heartbeat_timeout"): "300",
    # nothing but the failover is measured
    ("dag_processor", "min_file_process_interval"): "3600",
    ("dag_processor", "dag_file_processor_timeout"): "600",
}


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    yield lambda: _round(progress)


@dataclass(frozen=True)
class _Stage:
    airflow: AirflowInstance
    target: SimulatedTarget
    repositories: dict[str, Repository]
    agents: Agents


def _round(progress: Progress) -> Sample:
    """Each round has a ground of its own: a cluster can be given up only once."""
    with ExitStack() as stack:
        stage = _stage(stack, progress=progress)
        with progress.step(f"{SOURCE} falls silent; until {POLICIES * PACKAGES} packages run"):
            stage.agents.silence(SOURCE)
            wait_running(stage.target, count=POLICIES * PACKAGES, seconds=_SECONDS)
        return _sample(stage, progress=progress)


def _stage(stack: ExitStack, *, progress: Progress) -> _Stage:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mass-failover-")))
    loopback = stack.enter_context(Loopback())
    git, s3 = loopback.start_git(), loopback.start_s3()
    repositories = {
        cluster: seed_repository(git, folder=folder / cluster, packages=cluster == SOURCE)
        for cluster in (SOURCE, TARGET)
    }
    write_policies(folder / "policies", repo=repositories[SOURCE].url)
    with progress.step("restore points"):
        put_restore_points(s3)
    target = stack.enter_context(SimulatedTarget(repositories[TARGET].bare))
    dead = f"https://127.0.0.1:{free_port()}"
    database = stack.enter_context(PostgreSql())
    airflow = AirflowInstance(
        folder / "airflow",
        dags_folder=_DAGS,
        policies_folder=folder / "policies",
        connections=connections(
            git=git, s3=s3, repositories=repositories, apis={SOURCE: dead, TARGET: target.url}
        ),
        port=free_port(),
        database_url=database.create_database("airflow"),
        settings=_SETTINGS,
        say=progress.say,
    )
    with progress.step("Airflow"):
        stack.enter_context(airflow)
    airflow.store_connections({"transition_receiver": _receiver(airflow)})
    agents = stack.enter_context(Agents(airflow))
    with progress.step(f"DAGs of {POLICIES} policies"):
        for policy in policy_names():
            airflow.wait_dag(f"failover.{policy}", timeout=timedelta(minutes=10))
            airflow.unpause(f"failover.{policy}")
    return _Stage(airflow, target, repositories, agents)


def _receiver(airflow: AirflowInstance) -> dict[str, object]:
    return {
        "conn_type": "http",
        "host": f"{airflow.url}/transition",
        "login": airflow.username,
        "password": airflow.password,
    }


def _sample(stage: _Stage, *, progress: Progress) -> Sample:
    """From the first run's creation to the last run's end; exactly one run for each policy."""
    began, started, ended = [], [], []
    for policy in policy_names():
        (run,) = stage.airflow.runs(f"failover.{policy}")
        stage.airflow.wait_run(
            f"failover.{policy}", run_id=run["dag_run_id"], timeout=timedelta(minutes=5)
        )
        (run,) = stage.airflow.runs(f"failover.{policy}")
        if run["state"] != "success":
            raise RuntimeError(f"failover.{policy} ended as {run['state']}")
        began.append(_time(run["queued_at"]))
        started.append(_time(run["start_date"]))
        ended.append(_time(run["end_date"]))
    first = min(began)
    again = list(_tried_again(stage))
    for line in again[:_SHOWN]:
        progress.say(line)
    _prove_commits(stage)
    return Sample(
        (max(ended) - first).total_seconds(),
        {
            "all runs created, s": (max(began) - first).total_seconds(),
            "first run ended, s": (min(ended) - first).total_seconds(),
            "tasks that were tried again": float(len(again)),
        },
    )


def _tried_again(stage: _Stage) -> Iterator[str]:
    """Each task that needed more than one try, and why the first one ended."""
    for policy in policy_names():
        dag_id = f"failover.{policy}"
        (run,) = stage.airflow.runs(dag_id)
        run_id = run["dag_run_id"]
        for task in stage.airflow.tasks_of(dag_id, run_id=run_id):
            if task.try_number > 1:
                log = stage.airflow.task_log(dag_id, run_id=run_id, task_id=task.task_id)
                lines = [line for line in log.splitlines() if "rror" in line] or ["no word"]
                yield f"{dag_id} {task.task_id}: {lines[-1][-300:]}"


def _prove_commits(stage: _Stage) -> None:
    """One fencing and one promotion for each policy, and no other commit of ours."""
    wanted = sorted(f"{policy}/{SOURCE}@1" for policy in policy_names())
    for cluster, repository in stage.repositories.items():
        found = sorted(repository.commits(MOVE_TRAILER))
        if found != wanted:
            raise RuntimeError(f"{cluster}: {len(found)} commits, {len(set(found))} of them differ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


BENCHMARK = Benchmark(unit="s", bar=AtMost(60), prepare=prepare, rounds=3)
