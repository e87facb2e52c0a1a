"""What the tasks of canaries and test restores make of what they find."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from airflow_transition import outside
from airflow_transition.core.canary import CanaryResult
from airflow_transition.core.errors import PermanentError, TemporaryError, TransitionError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.proof import Proof
from airflow_transition.operators.canary import CanaryFailedError, CanaryOperator
from airflow_transition.operators.canary_run import CanaryRun, NoNodeError
from airflow_transition.operators.isolated_restore import IsolatedRestore, NothingToTestError
from airflow_transition.operators.restore_test import (
    RestoreTestFailedError,
    RestoreTestOperator,
)

CONTEXT: Any = {"ti": SimpleNamespace(dag_id="test-restore.p"), "run_id": "manual__1"}
Answers = dict[str, TransitionError | None]


@pytest.fixture
def two(policy: ClusterPolicy) -> ClusterPolicy:
    """Packages `video` and `shop`, both with their memory."""
    (video,) = policy.spec.package_selectors
    shop = video.model_copy(update={"name": "shop", "package_path": "shop"})
    spec = policy.spec.model_copy(update={"package_selectors": (video, shop)})
    return policy.model_copy(update={"spec": spec})


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Package to what its test comes to."""
    said: Answers = {"video": None, "shop": None}

    def run(test: IsolatedRestore) -> Proof:
        error = said[test.package.name]
        if error is not None:
            raise error
        return Proof(
            restore_point=test.package.name,
            cluster="cluster2-aws",
            node="node-b",
            way="image restore on containerd",
            by=test.by,
            proven=datetime(2026, 11, 24, tzinfo=UTC),
            seconds=1,
        )

    monkeypatch.setattr(IsolatedRestore, "run", run)
    return said


def proven(policy: ClusterPolicy, **asked: str) -> dict[str, Any]:
    return RestoreTestOperator(task_id="test", policy=policy, **asked).execute(CONTEXT)


def test_each_package_is_proven_by_its_run(two: ClusterPolicy, answers: Answers) -> None:
    proofs = proven(two)
    assert set(proofs) == {"video", "shop"}
    assert proofs["video"]["by"] == "test-restore.p/manual__1"


def test_one_package_can_be_asked_for(two: ClusterPolicy, answers: Answers) -> None:
    assert set(proven(two, package="shop")) == {"shop"}


def test_one_that_fails_hides_no_other_and_fails_the_task(
    two: ClusterPolicy, answers: Answers
) -> None:
    answers["video"] = PermanentError("CRIU failed", where="node-b", do="compare")
    answers["shop"] = PermanentError("no answer", where="node-b", do="look")
    with pytest.raises(RestoreTestFailedError, match=r"CRIU failed.*no answer"):
        proven(two)


def test_a_cluster_that_is_busy_is_tried_again(two: ClusterPolicy, answers: Answers) -> None:
    answers["video"] = TemporaryError("held", where="c", do="wait")
    with pytest.raises(TemporaryError):
        proven(two)


def test_without_a_restore_point_there_is_nothing_to_test(
    two: ClusterPolicy, answers: Answers
) -> None:
    answers["video"] = NothingToTestError("none", where="video", do="make one")
    assert set(proven(two)) == {"shop"}
    with pytest.raises(AirflowSkipException):
        proven(two, package="video")


def test_a_canary_task_tries_every_node_and_names_those_that_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def try_node(run: CanaryRun, node: str) -> CanaryResult:
        tried.append(node)
        bad = "CRIU failed" if node == "node-a" else None
        return CanaryResult(
            cluster=run.cluster, node=node, restores=bad is None, seconds=1, error=bad
        )

    monkeypatch.setattr(CanaryRun, "nodes", lambda _: ("node-a", "node-b"))
    monkeypatch.setattr(CanaryRun, "try_node", try_node)
    with pytest.raises(CanaryFailedError, match=r"1 of 2 nodes.*node-a.*CRIU failed"):
        CanaryOperator(task_id="canary", cluster="cluster2-aws").execute(CONTEXT)
    assert tried == ["node-a", "node-b"]


def test_a_canary_flies_where_pods_go_and_an_agent_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    def node(name: str, *, ready: bool = True, schedulable: bool = True) -> SimpleNamespace:
        return SimpleNamespace(name=name, ready=ready, schedulable=schedulable)

    states = [node("a"), node("control"), node("down", ready=False), node("b", schedulable=False)]
    facts = [SimpleNamespace(node=name) for name in ("a", "b", "down")]
    survey = SimpleNamespace(nodes=lambda: states)
    store = SimpleNamespace(list_node_facts=lambda _: facts)
    monkeypatch.setattr(outside, "survey", lambda *_, **__: survey)
    monkeypatch.setattr(outside, "store", lambda: store)
    run = CanaryRun("cluster2-aws", by="a test")
    assert run.nodes() == ("a",)
    facts.clear()
    with pytest.raises(NoNodeError, match=r"Ready: a, control; agents on: none"):
        run.nodes()
