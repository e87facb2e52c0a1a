"""What the demos have in common: the stage, the runs that a person follows, the closing table."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

import requests
from pydantic import BaseModel, ConfigDict

from lab.airflow import AirflowInstance, Companion, free_port
from lab.airflow_rest import TaskProgress
from lab.connections import connections_of
from lab.description import LabDescription, LabSettings
from lab.ledger import Report
from lab.lifecycle import down
from lab.poller import Poller
from lab.story import Story

_DAGS = Path(__file__).resolve().parent.parent / "dags"
_TOLD = frozenset({"running", "success", "failed", "up_for_retry", "deferred"})
_ANSWERS = 20
"""One second of polling."""


class DemoFailedError(Exception):
    """The demo did not show what it promises; the message says which part."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AppState(Part):
    """What the sample application answers: the id is made at start and held only in memory."""

    id: str
    counter: int
    position: float


class TaskCost(Part):
    """What one task of a run cost."""

    task_id: str
    seconds: float
    size_bytes: int | None = None
    """Of the archives that it moved, where it moves some."""


def perform(play: Callable[[LabSettings, Story], None], *, once: bool) -> int:
    """Run a whole demo; the exit status. The lab is taken down at the end, whatever happens."""
    settings, story = LabSettings(), Story()
    try:
        play(settings, story)
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


def stay(story: Story, *, once: bool) -> None:
    """Leave everything as it is until Ctrl-C, where a person is watching."""
    if not once and sys.stdout.isatty():
        story.say("everything stays up: press Ctrl-C to take it down")
        threading.Event().wait()


def start_airflow(
    lab: LabDescription,
    *,
    policies: Path,
    story: Story,
    companions: Mapping[str, Companion] | None = None,
) -> AirflowInstance:
    """An Airflow with these policies, started; its caller stops it."""
    airflow = AirflowInstance(
        lab.state / "airflow",
        dags_folder=_DAGS,
        policies_folder=policies,
        connections=connections_of(lab),
        port=free_port(),
        companions=companions,
        say=story.say,
    )
    named = "".join(f", {name}" for name in companions or ())
    with story.step(f"Airflow: API server, scheduler, DAG processor, triggerer{named}"):
        try:
            airflow.start()
        except BaseException:
            airflow.stop()
            raise
    story.say(f"Airflow is at {airflow.url}, user {airflow.username}")
    return airflow


def stop_airflow(airflow: AirflowInstance, *, story: Story) -> None:
    with story.step("taking Airflow down"):
        airflow.stop()


def follow(
    airflow: AirflowInstance,
    dag_id: str,
    *,
    run_id: str,
    story: Story,
    timeout: timedelta = timedelta(minutes=10),
) -> None:
    """Say what each task of a run does until it ends; anything but success is an error."""
    state = airflow.wait_run(
        dag_id, run_id=run_id, timeout=timeout, on_change=lambda task: _say_task(task, story=story)
    )
    if state == "success":
        return
    for task in airflow.tasks_of(dag_id, run_id=run_id):
        if task.state == "failed":
            log = airflow.task_log(
                dag_id, run_id=run_id, task_id=task.task_id, try_number=task.try_number
            )
            raise DemoFailedError(f"{dag_id}: {task.task_id} failed:\n{log[-6000:]}")
    raise DemoFailedError(f"{dag_id}: the run ended as {state}")


def _say_task(task: TaskProgress, *, story: Story) -> None:
    if task.state in _TOLD:
        took = f" in {task.duration_seconds:.1f} s" if task.duration_seconds else ""
        again = f" (try {task.try_number})" if task.try_number > 1 else ""
        story.say(f"  task {task.task_id}: {task.state}{took}{again}")


def costs(
    airflow: AirflowInstance, dag_id: str, *, run_id: str, carriers: Iterable[str] = ()
) -> tuple[TaskCost, ...]:
    """Tasks in the order in which they ended; the archives pass through the `carriers`."""
    carriers = set(carriers)
    size = _archives_bytes(airflow, dag_id, run_id=run_id) if carriers else None
    return tuple(
        TaskCost(
            task_id=task.task_id,
            seconds=task.duration_seconds,
            size_bytes=size if task.task_id in carriers else None,
        )
        for task in airflow.tasks_of(dag_id, run_id=run_id)
        if task.duration_seconds is not None
    )


def _archives_bytes(airflow: AirflowInstance, dag_id: str, *, run_id: str) -> int:
    images = airflow.xcom(dag_id, run_id=run_id, task_id="image")["containers"]
    return sum(int(container["size_bytes"]) for container in images)


def wait_for_answers(poller: Poller, *, cluster: str, seconds: float = 30) -> None:
    """Until the client has been answered for a second by the cluster."""
    deadline = time.monotonic() + seconds
    before = poller.report().answers_by_cluster.get(cluster, 0)
    while poller.report().answers_by_cluster.get(cluster, 0) < before + _ANSWERS:
        if time.monotonic() > deadline:
            raise DemoFailedError(f"{cluster} does not answer the polling client")
        time.sleep(0.05)


def answer_of(lab: LabDescription, *, cluster: str) -> AppState:
    answer = requests.get(lab.clusters[cluster].app_url, timeout=5).json()
    return AppState(
        id=answer["id"], counter=int(answer["counter"]), position=float(answer["position"])
    )


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


Section = tuple[str, list[tuple[str, str]]]


def tell(sections: Iterable[Section], *, story: Story) -> None:
    """The closing table."""
    known = list(sections)
    width = max(len(name) for _, rows in known for name, _ in rows)
    for title, rows in known:
        story.write(f"\n  {title}")
        for name, value in rows:
            story.write(f"    {name:<{width}}  {value}")
    story.write("")


def setup_section(story: Story) -> Section:
    rows = [(step.name, f"{step.took.total_seconds():8.1f} s") for step in story.steps]
    return "what was set up", rows


def tasks_section(dag_id: str, tasks: Iterable[TaskCost]) -> Section:
    return f"the tasks of {dag_id}", [_row(task) for task in tasks]


def airflow_rows(airflow: AirflowInstance) -> list[tuple[str, str]]:
    return [
        ("open this page", f"{airflow.url}/plugin/transition"),
        ("Airflow", f"{airflow.url} as {airflow.username}"),
        ("its password", f"in {airflow.state_dir / 'passwords.json'}"),
    ]


def waited(client: Report, *, switch: int = 0) -> str:
    if len(client.switches) <= switch:
        return "it saw no switch"
    return f"{client.switches[switch].waited_seconds:.2f} s"


def _row(task: TaskCost) -> tuple[str, str]:
    size = f"{task.size_bytes:15,} bytes" if task.size_bytes is not None else ""
    return task.task_id, f"{task.seconds:8.1f} s{size}"
