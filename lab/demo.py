"""The main job, for real: a running process moves between two clusters, memory and all.

Each chapter is a step of the story that a person follows; what one learns, the next ones use.
"""

import argparse
import json
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import requests
from pydantic import BaseModel, ConfigDict

from lab.airflow import AirflowInstance, free_port
from lab.airflow_rest import TaskProgress
from lab.connections import connections_of
from lab.description import CLUSTERS, LabDescription, LabSettings
from lab.ledger import Report
from lab.lifecycle import down, up
from lab.policy import write_sample_policy
from lab.poller import Poller
from lab.story import Story

SOURCE, TARGET = CLUSTERS
CHECKPOINT_DAG = "checkpoint.clusterpolicy-sample.video.my-test-backup"
MIGRATE_DAG = "migrate.clusterpolicy-sample"
_DAGS = Path(__file__).resolve().parent.parent / "dags"
_SCHEDULE = timedelta(minutes=3)


class DemoFailedError(Exception):
    """The demo did not show what it promises; the message says which part."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AppState(_Part):
    """What the sample application answers: the id is made at start and held only in memory."""

    id: str
    counter: int
    position: float


class TaskCost(_Part):
    """What one task of a run cost."""

    task_id: str
    seconds: float
    size_bytes: int | None
    """Of the archives that it moved, where it moves some."""


class DemoReport(_Part):
    """The figures that the closing table and the system test read."""

    before: AppState
    after: AppState
    source_answers: bool
    client: Report
    restore_point: str
    images: dict[str, str]
    commit: str
    airflow_url: str
    checkpoint_tasks: tuple[TaskCost, ...]
    migrate_tasks: tuple[TaskCost, ...]


def run(*, once: bool, report_file: Path | None = None) -> int:
    """The whole demo; the exit status. Everything is taken down at the end, whatever happens."""
    settings, story = LabSettings(), Story()
    try:
        lab = up(settings, story)
        airflow = _airflow(lab, story=story)
        try:
            report = _move(lab, airflow=airflow, story=story)
            _tell(report, airflow=airflow, story=story)
            if report_file is not None:
                report_file.write_text(report.model_dump_json(indent=2))
            if not once and sys.stdout.isatty():
                story.say("everything stays up: press Ctrl-C to take it down")
                threading.Event().wait()
        finally:
            with story.step("taking Airflow down"):
                airflow.stop()
    except KeyboardInterrupt:
        story.say("interrupted")
        return 0 if not once else 130
    except Exception as error:  # noqa: BLE001 - a person reads the message; the logs hold the rest
        story.say(f"FAILED: {error}")
        return 1
    finally:
        with story.step("taking the lab down"):
            down(settings)
    return 0


def _airflow(lab: LabDescription, *, story: Story) -> AirflowInstance:
    policies = lab.state / "policies"
    write_sample_policy(lab, folder=policies)
    airflow = AirflowInstance(
        lab.state / "airflow",
        dags_folder=_DAGS,
        policies_folder=policies,
        connections=connections_of(lab),
        port=free_port(),
        say=story.say,
    )
    with story.step("Airflow: API server, scheduler, DAG processor, triggerer"):
        try:
            airflow.start()
        except BaseException:
            airflow.stop()
            raise
    story.say(f"Airflow is at {airflow.url}, user {airflow.username}")
    return airflow


def _move(lab: LabDescription, *, airflow: AirflowInstance, story: Story) -> DemoReport:
    before = _answer_of(lab, cluster=SOURCE)
    story.say(f"{SOURCE} answers: id {before.id}, counter {before.counter}")
    scheduled = _checkpoint_by_schedule(airflow, story=story)
    urls = {name: cluster.app_url for name, cluster in lab.clusters.items()}
    with Poller(urls) as poller:
        _wait_for_answers(poller, cluster=SOURCE)
        run_id = _migrate(airflow, story=story)
        _wait_for_answers(poller, cluster=TARGET)
    after = _answer_of(lab, cluster=TARGET)
    story.say(f"{TARGET} answers: id {after.id}, counter {after.counter}")
    recorded = airflow.xcom(MIGRATE_DAG, run_id=run_id, task_id="record")
    promoted = airflow.xcom(MIGRATE_DAG, run_id=run_id, task_id="promote")
    report = DemoReport(
        before=before,
        after=after,
        source_answers=_answers(urls[SOURCE]),
        client=poller.report(),
        restore_point=recorded["id"],
        images=promoted["images"],
        commit=promoted["commit"],
        airflow_url=airflow.url,
        checkpoint_tasks=_costs(airflow, CHECKPOINT_DAG, run_id=scheduled),
        migrate_tasks=_costs(airflow, MIGRATE_DAG, run_id=run_id),
    )
    _prove(report)
    return report


def _wait_for_answers(poller: Poller, *, cluster: str) -> None:
    """Until the client has been answered 20 times by the cluster: one second of polling."""
    deadline = time.monotonic() + 30
    while poller.report().answers_by_cluster.get(cluster, 0) < 20:  # noqa: PLR2004 - see above
        if time.monotonic() > deadline:
            raise DemoFailedError(f"{cluster} does not answer the polling client")
        time.sleep(0.05)


def _costs(airflow: AirflowInstance, dag_id: str, *, run_id: str) -> tuple[TaskCost, ...]:
    """Tasks in the order in which they ended; the archive passes through two of them."""
    images = airflow.xcom(dag_id, run_id=run_id, task_id="image")["containers"]
    size = sum(int(container["size_bytes"]) for container in images)
    return tuple(
        TaskCost(
            task_id=task.task_id,
            seconds=task.duration_seconds,
            size_bytes=size if task.task_id in {"checkpoint", "image"} else None,
        )
        for task in airflow.tasks_of(dag_id, run_id=run_id)
        if task.duration_seconds is not None
    )


def _checkpoint_by_schedule(airflow: AirflowInstance, *, story: Story) -> str:
    """Wait for the run that the cron starts; its id."""
    airflow.wait_dag(CHECKPOINT_DAG)
    airflow.wait_dag(MIGRATE_DAG)
    airflow.unpause(CHECKPOINT_DAG)
    airflow.unpause(MIGRATE_DAG)
    with story.step(
        "waiting for the schedule */3 * * * * to start a checkpoint run",
        status=lambda: f"(next multiple of three minutes in {_until_schedule():.0f} s)",
    ):
        run_id = _scheduled_run(airflow)
    with story.step("the scheduled checkpoint run"):
        state = airflow.wait_run(
            CHECKPOINT_DAG,
            run_id=run_id,
            timeout=timedelta(minutes=3),
            on_change=lambda task: _say_task(task, story=story),
        )
    _must_succeed(airflow, CHECKPOINT_DAG, run_id=run_id, state=state)
    return run_id


def _until_schedule() -> float:
    return _SCHEDULE.total_seconds() - time.time() % _SCHEDULE.total_seconds()


def _scheduled_run(airflow: AirflowInstance) -> str:
    deadline = time.monotonic() + _SCHEDULE.total_seconds() + 60
    while time.monotonic() < deadline:
        for found in airflow.runs(CHECKPOINT_DAG):
            if found["run_type"] == "scheduled":
                return str(found["dag_run_id"])
        time.sleep(0.5)
    raise DemoFailedError("the schedule started no checkpoint run in time")


def _migrate(airflow: AirflowInstance, *, story: Story) -> str:
    conf = {"package": "video", "target": "automatic", "dry_run": False}
    story.say(f"POST /api/v2/dags/{MIGRATE_DAG}/dagRuns with {json.dumps(conf)}")
    with story.step("the migrate run"):
        run_id = airflow.trigger(MIGRATE_DAG, conf=conf)
        state = airflow.wait_run(
            MIGRATE_DAG,
            run_id=run_id,
            timeout=timedelta(minutes=10),
            on_change=lambda task: _say_task(task, story=story),
        )
    _must_succeed(airflow, MIGRATE_DAG, run_id=run_id, state=state)
    return run_id


def _say_task(task: TaskProgress, *, story: Story) -> None:
    if task.state in {"running", "success", "failed", "up_for_retry", "deferred"}:
        took = f" in {task.duration_seconds:.1f} s" if task.duration_seconds else ""
        again = f" (try {task.try_number})" if task.try_number > 1 else ""
        story.say(f"  task {task.task_id}: {task.state}{took}{again}")


def _must_succeed(airflow: AirflowInstance, dag_id: str, *, run_id: str, state: str) -> None:
    if state == "success":
        return
    for task in airflow.tasks_of(dag_id, run_id=run_id):
        if task.state == "failed":
            log = airflow.task_log(
                dag_id, run_id=run_id, task_id=task.task_id, try_number=task.try_number
            )
            raise DemoFailedError(f"{dag_id}: {task.task_id} failed:\n{log[-6000:]}")
    raise DemoFailedError(f"{dag_id}: the run ended as {state}")


def _prove(report: DemoReport) -> None:
    """The promises of the demo; each that does not hold is an error."""
    if report.after.id != report.before.id:
        raise DemoFailedError(
            f"the process on {TARGET} is another one: id {report.after.id},"
            f" not {report.before.id}: it was started, not restored"
        )
    if report.after.counter <= report.before.counter:
        raise DemoFailedError(f"the counter went back: {report}")
    if report.source_answers:
        raise DemoFailedError(f"{SOURCE} still answers: two copies run")
    if report.client.problems:
        raise DemoFailedError("; ".join(("the polling client saw", *report.client.problems)))


def _answer_of(lab: LabDescription, *, cluster: str) -> AppState:
    answer = requests.get(lab.clusters[cluster].app_url, timeout=5).json()
    return AppState(
        id=answer["id"], counter=int(answer["counter"]), position=float(answer["position"])
    )


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _tell(report: DemoReport, *, airflow: AirflowInstance, story: Story) -> None:
    """The closing table: steps with their cost, the proof, and where to look."""
    sections = {
        "what was set up": [
            (step.name, f"{step.took.total_seconds():8.1f} s") for step in story.steps
        ],
        f"the tasks of {CHECKPOINT_DAG}": [_row(task) for task in report.checkpoint_tasks],
        f"the tasks of {MIGRATE_DAG}": [_row(task) for task in report.migrate_tasks],
        "the proof": [
            ("in-memory id, before and after", f"{report.before.id} = {report.after.id}"),
            ("counter", f"{report.before.counter} -> {report.after.counter}"),
            ("playback position", f"{report.before.position:g} s -> {report.after.position:g} s"),
            ("client kept waiting (it polls every 50 ms)", _waited(report.client)),
            (f"{SOURCE} still answers", "yes" if report.source_answers else "no"),
        ],
        "where to look": [
            ("Airflow", f"{airflow.url} as {airflow.username}"),
            ("its password", f"in {airflow.state_dir / 'passwords.json'}"),
            ("promotion commit", report.commit),
            *((f"image of container {name}", image) for name, image in report.images.items()),
            ("restore point", report.restore_point),
        ],
    }
    width = max(len(name) for rows in sections.values() for name, _ in rows)
    for title, rows in sections.items():
        story.write(f"\n  {title}")
        for name, value in rows:
            story.write(f"    {name:<{width}}  {value}")
    story.write("")


def _row(task: TaskCost) -> tuple[str, str]:
    size = f"{task.size_bytes:15,} bytes" if task.size_bytes is not None else ""
    return task.task_id, f"{task.seconds:8.1f} s{size}"


def _waited(client: Report) -> str:
    return f"{client.switches[0].waited_seconds:.2f} s" if client.switches else "it saw no switch"


def main() -> int:
    """`python -m lab.demo [--once] [--report FILE]`."""
    parser = argparse.ArgumentParser(prog="lab.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end by itself, also on a terminal")
    parser.add_argument("--report", type=Path, help="write what was seen to this file, as JSON")
    chosen = parser.parse_args()
    return run(once=chosen.once, report_file=chosen.report)


if __name__ == "__main__":
    sys.exit(main())
