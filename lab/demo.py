"""The main job, for real: a running process moves between two clusters, memory and all.

Each chapter is a step of the story that a person follows; what one learns, the next ones use.
"""

import argparse
import json
import sys
import time
from datetime import timedelta
from pathlib import Path

from lab.airflow import AirflowInstance
from lab.chapters import (
    AppState,
    DemoFailedError,
    Part,
    TaskCost,
    airflow_rows,
    answer_of,
    answers,
    costs,
    follow,
    perform,
    setup_section,
    start_airflow,
    stay,
    stop_airflow,
    tasks_section,
    tell,
    wait_for_answers,
    waited,
)
from lab.description import CLUSTERS, LabDescription, LabSettings
from lab.ledger import Report
from lab.lifecycle import up
from lab.policy import write_sample_policy
from lab.poller import Poller
from lab.story import Story

SOURCE, TARGET = CLUSTERS
CHECKPOINT_DAG = "checkpoint.clusterpolicy-sample.video.my-test-backup"
MIGRATE_DAG = "migrate.clusterpolicy-sample"
_CARRIERS = ("checkpoint", "image")
_SCHEDULE = timedelta(minutes=3)


class DemoReport(Part):
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

    def play(settings: LabSettings, story: Story) -> None:
        lab = up(settings, story)
        policies = lab.state / "policies"
        write_sample_policy(lab, folder=policies)
        airflow = start_airflow(lab, policies=policies, story=story)
        try:
            report = _move(lab, airflow=airflow, story=story)
            _tell(report, airflow=airflow, story=story)
            if report_file is not None:
                report_file.write_text(report.model_dump_json(indent=2))
            stay(story, once=once)
        finally:
            stop_airflow(airflow, story=story)

    return perform(play, once=once)


def _move(lab: LabDescription, *, airflow: AirflowInstance, story: Story) -> DemoReport:
    before = answer_of(lab, cluster=SOURCE)
    story.say(f"{SOURCE} answers: id {before.id}, counter {before.counter}")
    scheduled = _checkpoint_by_schedule(airflow, story=story)
    urls = {name: cluster.app_url for name, cluster in lab.clusters.items()}
    with Poller(urls) as poller:
        wait_for_answers(poller, cluster=SOURCE)
        run_id = _migrate(airflow, story=story)
        wait_for_answers(poller, cluster=TARGET)
    after = answer_of(lab, cluster=TARGET)
    story.say(f"{TARGET} answers: id {after.id}, counter {after.counter}")
    recorded = airflow.xcom(MIGRATE_DAG, run_id=run_id, task_id="record")
    promoted = airflow.xcom(MIGRATE_DAG, run_id=run_id, task_id="promote")
    report = DemoReport(
        before=before,
        after=after,
        source_answers=answers(urls[SOURCE]),
        client=poller.report(),
        restore_point=recorded["id"],
        images=promoted["images"],
        commit=promoted["commit"],
        airflow_url=airflow.url,
        checkpoint_tasks=costs(airflow, CHECKPOINT_DAG, run_id=scheduled, carriers=_CARRIERS),
        migrate_tasks=costs(airflow, MIGRATE_DAG, run_id=run_id, carriers=_CARRIERS),
    )
    _prove(report)
    return report


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
        follow(airflow, CHECKPOINT_DAG, run_id=run_id, story=story, timeout=_SCHEDULE)
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
        follow(airflow, MIGRATE_DAG, run_id=run_id, story=story)
    return run_id


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


def _tell(report: DemoReport, *, airflow: AirflowInstance, story: Story) -> None:
    """The closing table: steps with their cost, the proof, and where to look."""
    proof = [
        ("in-memory id, before and after", f"{report.before.id} = {report.after.id}"),
        ("counter", f"{report.before.counter} -> {report.after.counter}"),
        ("playback position", f"{report.before.position:g} s -> {report.after.position:g} s"),
        ("client kept waiting (it polls every 50 ms)", waited(report.client)),
        (f"{SOURCE} still answers", "yes" if report.source_answers else "no"),
    ]
    places = [
        *airflow_rows(airflow),
        ("promotion commit", report.commit),
        *((f"image of container {name}", image) for name, image in report.images.items()),
        ("restore point", report.restore_point),
    ]
    tell(
        [
            setup_section(story),
            tasks_section(CHECKPOINT_DAG, report.checkpoint_tasks),
            tasks_section(MIGRATE_DAG, report.migrate_tasks),
            ("the proof", proof),
            ("where to look", places),
        ],
        story=story,
    )


def main() -> int:
    """`python -m lab.demo [--once] [--report FILE]`."""
    parser = argparse.ArgumentParser(prog="lab.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end by itself, also on a terminal")
    parser.add_argument("--report", type=Path, help="write what was seen to this file, as JSON")
    chosen = parser.parse_args()
    return run(once=chosen.once, report_file=chosen.report)


if __name__ == "__main__":
    sys.exit(main())
