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
    _checkpoint_by_schedule(airflow, story=story)
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


def _checkpoint_by_schedule(airflow: AirflowInstance, *, story: Story) -> None:
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
    with story.step(f"{MIGRATE_DAG}, triggered by REST with {json.dumps(conf)}"):
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
    rows = [(step.name, f"{step.took.total_seconds():.1f} s") for step in story.steps]
    rows += [
        ("client kept waiting (polling every 50 ms)", _waited(report.client)),
        ("in-memory id, before and after", f"{report.before.id} = {report.after.id}"),
        ("counter", f"{report.before.counter} -> {report.after.counter}"),
        ("playback position", f"{report.before.position:.1f} -> {report.after.position:.1f} s"),
        ("restore point", report.restore_point),
        *((f"image of {name}", image) for name, image in report.images.items()),
        ("promotion commit", report.commit),
        ("Airflow", f"{airflow.url} user {airflow.username}, password in {_password(airflow)}"),
    ]
    width = max(len(name) for name, _ in rows)
    story.write("")
    for name, value in rows:
        story.write(f"  {name:<{width}}  {value}")
    story.write("")


def _waited(client: Report) -> str:
    return f"{client.switches[0].waited_seconds:.2f} s" if client.switches else "it saw no switch"


def _password(airflow: AirflowInstance) -> Path:
    return airflow.state_dir / "passwords.json"


def main() -> int:
    """`python -m lab.demo [--once] [--report FILE]`."""
    parser = argparse.ArgumentParser(prog="lab.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end by itself, also on a terminal")
    parser.add_argument("--report", type=Path, help="write what was seen to this file, as JSON")
    chosen = parser.parse_args()
    return run(once=chosen.once, report_file=chosen.report)


if __name__ == "__main__":
    sys.exit(main())
