"""A run of the migrate DAG with Airflow's rules (retries, failure, teardown) and none of its cost.

The tasks are those of the real DAG, with their real arguments; only templates are filled here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from airflow.sdk import XComArg
from airflow.sdk.exceptions import AirflowSkipException

from airflow_transition.core.errors import PermanentError, TransitionError
from airflow_transition.core.fault import Fault
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.dag_builder import build_dags
from airflow_transition.operators.door import THIS_RUN
from airflow_transition.operators.move_settle import MoveRolledBackError
from tests.unit.operators.world import WorkerDiedError, World

FAILOVER_CHAIN = ["plan", "promote", "verify"]
CHAIN = ["plan", "close_door", "checkpoint", "image", "promote", "verify", "retire"]
ATTEMPTS = 3
PARAMETERS = {"package": "video", "target": "automatic", "dry_run": "False"}


@dataclass
class FakeTaskInstance:
    """One task of the run, as its operator sees it."""

    run: "FakeRun"
    task_id: str
    dag_id: str

    def xcom_push(self, key: str, value: Any) -> None:
        self.run.xcoms[self.task_id, key] = value

    def xcom_pull(self, *, task_ids: str, key: str = "return_value") -> Any:
        return self.run.xcoms.get((task_ids, key))

    def get_task_states(self, *, dag_id: str, run_ids: list[str]) -> dict[str, Any]:
        return {run_ids[0]: dict(self.run.states)}

    def get_task_breadcrumbs(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        ended = {"success", "failed"}
        return [
            {"task_id": task, "state": state, "duration": 1.5}
            for task, state in self.run.states.items()
            if state in ended
        ]


class FakeStateStore(dict[str, Any]):
    """`get` and `set` as Airflow's task state store has them."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


@dataclass
class FakeRun:
    """One DAG run in a world."""

    policy: ClusterPolicy
    world: World
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    stores: dict[str, FakeStateStore] = field(default_factory=dict)
    run_id: str = "manual__1"
    failures: list[BaseException] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=lambda: dict(PARAMETERS))
    dag_id: str = ""
    """The migrate DAG's where nothing is said."""
    faults: list[Fault] = field(default_factory=list)
    """Events that started the run."""

    skipped: str = ""

    def __post_init__(self) -> None:
        self.dag_id = self.dag_id or self.policy.migrate_dag_id
        (dag,) = build_dags(self.policy, only_dag_id=self.dag_id)
        self.tasks = {task.task_id: task for task in dag.tasks}

    def move(self, *, before: Callable[[str], None] = lambda _: None) -> str:
        """Run the chain until a task fails, then settle; the state of the run."""
        for task_id in CHAIN:
            before(task_id)
            self.states[task_id] = self.attempt(task_id)
            if self.states[task_id] == "failed":
                break
        for task_id in CHAIN:
            self.states.setdefault(task_id, "upstream_failed")
        if self.states["plan"] == "failed":
            return "failed"
        before("settle")
        return self.settle()

    def fail_over(self, *, before: Callable[[str], None] = lambda _: None) -> str:
        """Run plan, promote, verify and the teardown; `skipped` where nothing is to be done."""
        state = self._fail_over(before)
        before("end")
        self.states["end"] = self.attempt("end")
        return state

    def _fail_over(self, before: Callable[[str], None]) -> str:
        for task_id in FAILOVER_CHAIN:
            before(task_id)
            try:
                self.states[task_id] = self.attempt(task_id)
            except AirflowSkipException as error:
                self.skipped = str(error)
                return "skipped"
            if self.states[task_id] == "failed":
                return "failed"
        return "success"

    def settle(self) -> str:
        for _ in range(ATTEMPTS):
            try:
                self.execute("settle")
            except MoveRolledBackError:
                return "failed"
            except (TransitionError, WorkerDiedError) as error:
                self.failures.append(error)
                continue
            return "success"
        return "failed"

    def attempt(self, task_id: str) -> str:
        """A task with its retries: a permanent error fails it at once."""
        for _ in range(ATTEMPTS):
            try:
                self.execute(task_id)
            except PermanentError as error:
                self.failures.append(error)
                return "failed"
            except (TransitionError, WorkerDiedError) as error:
                self.failures.append(error)
                continue
            return "success"
        return "failed"

    def execute(self, task_id: str) -> Any:
        """One attempt, with what Airflow does before and after it."""
        self.world.begin_attempt(task_id)
        operator = self.tasks[task_id]
        task = operator.__class__.__new__(operator.__class__)
        task.__dict__.update(operator.__dict__)
        for key in [key for key in self.xcoms if key[0] == task_id]:
            del self.xcoms[key]
        for name in operator.template_fields:
            object.__setattr__(task, name, self._filled(getattr(operator, name)))
        context = {
            "ti": FakeTaskInstance(self, task_id, self.dag_id),
            "run_id": self.run_id,
            "triggering_asset_events": {
                "faults": [
                    SimpleNamespace(extra={"payload": one.as_payload()}) for one in self.faults
                ]
            },
            "task_state_store": self.stores.setdefault(task_id, FakeStateStore()),
        }
        result = task.execute(context)
        self.xcoms[task_id, "return_value"] = result
        return result

    def _filled(self, value: Any) -> Any:
        if value == THIS_RUN:
            return f"{self.dag_id}/{self.run_id}"
        if isinstance(value, XComArg):
            key = getattr(value, "key", "return_value")
            return self.xcoms.get((value.operator.task_id, key))
        if isinstance(value, str) and value.startswith("{{ params."):
            return self.parameters[value.removeprefix("{{ params.").removesuffix(" }}")]
        return value
