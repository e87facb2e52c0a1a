"""How far a failover has come, as seen from outside; who does not answer is asked again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import requests

from lab.airflow_rest import AirflowApi, AirflowLabError
from lab.failovers import FAILOVER_DAG
from tests.chaos.scenario import Moment
from tests.system.ground import Repository

_ENDED = {"success", "failed"}
_TASKS = {Moment.PLANNING: "plan", Moment.PROMOTING: "promote", Moment.VERIFYING: "verify"}
_PAUSE_SECONDS = 0.1

T = TypeVar("T")


@dataclass
class Course:
    """One failover: the runs that were there before it do not count."""

    airflow: AirflowApi
    target: Repository
    known: frozenset[str]
    head: str = field(init=False)

    def __post_init__(self) -> None:
        self.head = self.target.head

    def reached(self, moment: Moment) -> bool:
        """Whether it has come so far, or further."""
        if moment is Moment.FAULT:
            return True
        if moment is Moment.PROMOTED:
            return self.target.head != self.head
        if moment is Moment.DETECTED:
            return bool(self.runs())
        states = self.tasks()
        return states.get(_TASKS[moment]) in {"running", *_ENDED}

    def runs(self) -> dict[str, str]:
        """State by run id, of this failover's runs."""
        found = _or_empty(lambda: self.airflow.runs(FAILOVER_DAG))
        return {
            str(run["dag_run_id"]): str(run["state"])
            for run in found
            if run["dag_run_id"] not in self.known
        }

    def tasks(self) -> dict[str, str]:
        """State by task id, of the newest run."""
        runs = list(self.runs())
        if not runs:
            return {}
        tasks = _or_empty(lambda: self.airflow.tasks_of(FAILOVER_DAG, run_id=runs[-1]))
        return {task.task_id: str(task.state) for task in tasks}

    def ended(self) -> bool:
        runs = self.runs()
        return bool(runs) and all(state in _ENDED for state in runs.values())


def wait(done: Callable[[], bool], *, seconds: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def _or_empty(ask: Callable[[], list[T]]) -> list[T]:
    try:
        return ask()
    except (requests.RequestException, AirflowLabError, ValueError, KeyError):
        return []  # the API server is among those that are killed
