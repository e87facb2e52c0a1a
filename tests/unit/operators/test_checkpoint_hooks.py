"""The hook after a checkpoint is called whatever happened, and the one before can stop it."""

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from airflow_transition.core.errors import TemporaryError
from airflow_transition.hooks.quiesce import QuiesceFailedError
from airflow_transition.operators.checkpoint_hooks import HOOKED, CheckpointAfterOperator
from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator
from tests.unit.operators.test_pod_checkpoint import close
from tests.unit.operators.world import SOURCE, FakeCluster, FakeKubelet, World, a_pod

HOOKS = {
    "before": {"exec": {"container": "app", "command": ["freeze"]}},
    "after": {"http": {"port": 80, "path": "/thaw"}},
}
PACKAGE = {
    "cluster": SOURCE,
    "package": "video",
    "package_path": "video",
    "checkpoint_hooks": HOOKS,
}


class Instance:
    """A task instance whose XComs and run can be looked at."""

    dag_id = task_id = "checkpoint"

    def __init__(self, states: dict[str, str] | None = None) -> None:
        self.xcoms: dict[str, Any] = {}
        self.states = states or {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, *, task_ids: str, key: str) -> Any:
        return self.xcoms.get(key)

    def get_task_states(self, **_: Any) -> dict[str, dict[str, str]]:
        return {"run": self.states}


@pytest.fixture
def called(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was called in the pod and of the kubelet, in order."""
    calls: list[str] = []
    checkpoint = FakeKubelet.checkpoint

    def run_hook(_: Any, _pod: Any, hook: Any) -> None:
        calls.append(getattr(hook, "path", None) or hook.command[0])

    def counted(self: FakeKubelet, **arguments: Any) -> list[str]:
        calls.append("checkpoint")
        return checkpoint(self, **arguments)

    monkeypatch.setattr(FakeCluster, "run_hook", run_hook, raising=False)
    monkeypatch.setattr(FakeKubelet, "checkpoint", counted)
    return calls


def execute(instance: Instance, *, door: Any = None) -> dict[str, Any]:
    operator = PodCheckpointOperator(task_id="checkpoint", package=PACKAGE, door=door)
    context: Any = {"ti": instance, "run_id": "run", "task_state_store": None}
    return operator.execute(context)


def finish(instance: Instance) -> None:
    operator = CheckpointAfterOperator(
        task_id="after_hook", package=PACKAGE, checkpoint_task="checkpoint"
    )
    context: Any = {"ti": instance, "run_id": "run"}
    operator.execute(context)


def fail(name: str, calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def run_hook(_: Any, _pod: Any, hook: Any) -> None:
        calls.append(getattr(hook, "path", None) or hook.command[0])
        if calls[-1] == name:
            raise QuiesceFailedError(f"{name} failed", where="pod", do="look")

    monkeypatch.setattr(FakeCluster, "run_hook", run_hook)


def test_they_stand_around_the_whole_checkpoint(
    called: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = a_pod(containers=("app", "sidecar"))
    monkeypatch.setattr(FakeCluster, "find_pod", lambda *_: (pod, ()))
    execute(Instance())
    assert called == ["freeze", "checkpoint", "checkpoint", "/thaw"]


def test_a_failure_before_stops_the_checkpoint_and_is_followed_by_the_hook_after(
    called: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail("freeze", called, monkeypatch)
    with pytest.raises(QuiesceFailedError, match="freeze failed"):
        execute(Instance())
    assert called == ["freeze", "/thaw"]


@pytest.mark.parametrize("error", [TemporaryError, KeyboardInterrupt, SystemExit])
def test_a_checkpoint_that_fails_or_is_stopped_is_followed_by_the_hook_after(
    called: list[str], monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def failing(*_: Any, **__: Any) -> list[str]:
        raise TemporaryError("no", where="x", do="y") if error is TemporaryError else error

    monkeypatch.setattr(FakeKubelet, "checkpoint", failing)
    with pytest.raises(error):
        execute(Instance())
    assert called == ["freeze", "/thaw"]


def test_the_first_failure_is_the_one_that_is_told(
    called: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> list[str]:
        raise TemporaryError("the dump failed", where="x", do="y")

    fail("/thaw", called, monkeypatch)
    monkeypatch.setattr(FakeKubelet, "checkpoint", failing)
    with pytest.raises(TemporaryError, match="the dump failed") as told:
        execute(Instance())
    assert any("/thaw failed" in note for note in told.value.__notes__)


def test_a_failure_after_a_good_checkpoint_is_told_too(
    called: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail("/thaw", called, monkeypatch)
    with pytest.raises(QuiesceFailedError, match="/thaw failed"):
        execute(Instance())


def test_behind_a_closed_door_none_is_called(world: World, called: list[str]) -> None:
    execute(Instance(), door=close(world))
    assert called == ["checkpoint"]


class TestAWorkerThatDied:
    @pytest.fixture
    def instance(self) -> Instance:
        pod = a_pod()
        instance = Instance({"checkpoint": "failed"})
        instance.xcoms[HOOKED] = {
            "cluster": SOURCE,
            "namespace": pod.namespace,
            "pod": pod.name,
            "uid": pod.uid,
        }
        return instance

    def test_the_pod_is_remembered_before_the_first_hook(
        self, called: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance, seen = Instance(), []

        def run_hook(*_: Any) -> None:
            seen.append(dict(instance.xcoms))

        monkeypatch.setattr(FakeCluster, "run_hook", run_hook)
        execute(instance)
        assert seen[0][HOOKED]["uid"] == a_pod().uid

    def test_the_teardown_calls_what_it_could_not(
        self, called: list[str], instance: Instance
    ) -> None:
        finish(instance)
        assert called == ["/thaw"]

    def test_a_pod_that_is_gone_needs_no_call(self, called: list[str], instance: Instance) -> None:
        instance.xcoms[HOOKED]["uid"] = "of another"
        finish(instance)
        assert called == []

    def test_a_checkpoint_that_ended_well_has_called_it(
        self, called: list[str], instance: Instance
    ) -> None:
        instance.states = {"checkpoint": "success"}
        with pytest.raises(AirflowSkipException):
            finish(instance)
        assert called == []

    def test_nothing_is_called_where_nothing_was_begun(self, called: list[str]) -> None:
        with pytest.raises(AirflowSkipException):
            finish(Instance({"checkpoint": "failed"}))
        assert called == []
