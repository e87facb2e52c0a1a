"""Airflow's REST API as the demo and the system tests drive it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests

_FINISHED = {"success", "failed"}
_POLL_SECONDS = 0.1
_TRIES = 2
_SERVER_ERROR = 500


def ignore(_: object) -> None:
    """For callers who do not watch."""


class AirflowLabError(Exception):
    """The lab's Airflow does not do what was asked; the message says what to read."""


@dataclass(frozen=True, kw_only=True)
class TaskProgress:
    """A task instance in some state, as the REST API tells it."""

    task_id: str
    state: str | None
    try_number: int
    duration_seconds: float | None


class AirflowApi:
    """One Airflow, spoken to by its public REST API with a login of its simple auth manager."""

    def __init__(self, *, url: str, username: str, password: str) -> None:
        self._url = url
        self._login = {"username": username, "password": password}
        self._bearer: str | None = None
        self._session = requests.Session()
        self._session.trust_env = False

    def rest(self, method: str, path: str, *, json: object = None, tries: int = _TRIES) -> Any:
        """Call `/api/v2/<path>` as the admin; the decoded answer. An error names the path.

        A refused token is renewed once; with more `tries` the server's own errors are asked again.
        """
        for attempt in range(1, tries + 1):
            answer = self._session.request(
                method,
                f"{self._url}/api/v2/{path}",
                json=json,
                headers={"Authorization": f"Bearer {self.bearer(renew=attempt > 1)}"},
                timeout=60,
            )
            again = answer.status_code == requests.codes.unauthorized
            if not again and (tries == _TRIES or answer.status_code < _SERVER_ERROR):
                break
        if not answer.ok:
            raise AirflowLabError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def wait_dag(self, dag_id: str, *, timeout: timedelta = timedelta(minutes=1)) -> None:
        """Until the DAG is parsed and known."""
        deadline = time.monotonic() + timeout.total_seconds()
        for _ in until(deadline, lambda: None if self._has_dag(dag_id) else dag_id):
            errors = self.import_errors()
            if errors:
                raise AirflowLabError(f"{dag_id}: import errors: {errors}")

    def import_errors(self) -> list[str]:
        return [error["stack_trace"] for error in self.rest("GET", "importErrors")["import_errors"]]

    def unpause(self, dag_id: str, *, paused: bool = False) -> None:
        self.rest("PATCH", f"dags/{dag_id}", json={"is_paused": paused})

    def trigger(self, dag_id: str, *, conf: Mapping[str, Any], run_id: str | None = None) -> str:
        """Start a run as the web form does; its run id."""
        body: dict[str, Any] = {"conf": dict(conf), "logical_date": None}
        if run_id:
            body["dag_run_id"] = run_id
        return str(self.rest("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run_state(self, dag_id: str, *, run_id: str) -> str:
        return str(self.rest("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Newest last."""
        found = self.rest("GET", f"dags/{dag_id}/dagRuns?order_by=run_after&limit=100")
        return list(found["dag_runs"])

    def tasks_of(self, dag_id: str, *, run_id: str) -> list[TaskProgress]:
        found = self.rest(
            "GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?order_by=start_date&limit=100"
        )
        return [
            TaskProgress(
                task_id=task["task_id"],
                state=task["state"],
                try_number=task["try_number"],
                duration_seconds=task["duration"],
            )
            for task in found["task_instances"]
        ]

    def wait_run(
        self,
        dag_id: str,
        *,
        run_id: str,
        timeout: timedelta,
        on_change: Callable[[TaskProgress], None] = ignore,
    ) -> str:
        """Until the run ends; its state. `on_change` hears each task's new state once."""
        seen: dict[str, TaskProgress] = {}
        state = ""

        def unfinished() -> str | None:
            nonlocal state
            state = self.run_state(dag_id, run_id=run_id)
            for task in self.tasks_of(dag_id, run_id=run_id):
                before = seen.get(task.task_id)
                seen[task.task_id] = task
                if before is None or (before.state, before.try_number) != (
                    task.state,
                    task.try_number,
                ):
                    on_change(task)
            return None if state in _FINISHED else f"{dag_id} {run_id} is {state}"

        for _ in until(time.monotonic() + timeout.total_seconds(), unfinished):
            pass
        return state

    def xcom(self, dag_id: str, *, run_id: str, task_id: str, key: str = "return_value") -> Any:
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.rest("GET", path)["value"]

    def task_log(self, dag_id: str, *, run_id: str, task_id: str, try_number: int = 1) -> str:
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        found = self.rest("GET", path)
        return "\n".join(_log_line(line) for line in found["content"])

    def _has_dag(self, dag_id: str) -> bool:
        found = self.rest("GET", f"dags?dag_id_pattern={dag_id}&limit=100")
        return any(dag["dag_id"] == dag_id for dag in found["dags"])

    def health(self) -> dict[str, Any]:
        """What each component says of itself; empty while the API server does not answer."""
        try:
            answer = self._session.get(f"{self._url}/api/v2/monitor/health", timeout=10)
            return dict(answer.json())
        except (requests.RequestException, ValueError):
            return {}

    def warm(self) -> None:
        """Without this the first task would wait up to 15 s for a cold server."""
        self._session.get(f"{self._url}/execution/health", timeout=60)

    def close(self) -> None:
        self._session.close()

    def bearer(self, *, renew: bool = False) -> str:
        """The admin's token, as everything that asks Airflow for its users takes it."""
        if renew or self._bearer is None:
            answer = self._session.post(f"{self._url}/auth/token", json=self._login, timeout=60)
            if not answer.ok:
                raise AirflowLabError(f"POST /auth/token: {answer.status_code}")
            self._bearer = str(answer.json()["access_token"])
        return self._bearer


def until(deadline: float, pending: Callable[[], str | None]) -> Iterator[str]:
    """Yield what is still pending, every tenth of a second, until nothing is."""
    while (waiting_for := pending()) is not None:
        if time.monotonic() > deadline:
            raise AirflowLabError(f"{waiting_for}: not ready in time")
        yield waiting_for
        time.sleep(_POLL_SECONDS)


def _log_line(line: object) -> str:
    if not isinstance(line, dict):
        return str(line)
    said = " ".join(str(line[key]) for key in ("timestamp", "event") if key in line)
    causes = line.get("error_detail") or ()
    return "\n".join([said, *(f"  {each['exc_type']}: {each['exc_value']}" for each in causes)])
