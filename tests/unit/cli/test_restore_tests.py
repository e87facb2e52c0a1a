"""Canaries and test restores at a shell."""

import json

import pytest

from airflow_transition.core.canary import CanaryResult
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.proof import Proof
from airflow_transition.operators.canary_run import CanaryRun
from airflow_transition.operators.isolated_restore import IsolatedRestore
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_moves import proof_of
from tests.unit.operators.world import TARGET, World

pytestmark = pytest.mark.usefixtures("folder")
POLICY = "clusterpolicy-sample"


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Node to why it does not restore."""
    known: dict[str, str | None] = {"node-a": None, "node-b": None}

    def result(run: CanaryRun, node: str) -> CanaryResult:
        error = known[node]
        return CanaryResult(
            cluster=run.cluster, node=node, restores=error is None, seconds=8.7, error=error
        )

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")
    monkeypatch.setattr(CanaryRun, "nodes", lambda _: tuple(known))
    monkeypatch.setattr(CanaryRun, "try_node", result)
    return known


def test_a_canary_on_each_node_says_yes(run: Run, nodes: dict[str, str | None]) -> None:
    said = run("canary", TARGET)
    assert said.status == 0
    assert [line.split() for line in said.out.splitlines()[1:]] == [
        ["node-a", "yes", "8.7"],
        ["node-b", "yes", "8.7"],
    ]


def test_a_node_that_does_not_restore_fails_and_hides_no_other(
    run: Run, nodes: dict[str, str | None]
) -> None:
    nodes["node-a"] = "the node's containerd is configured not to restore"
    said = run("canary", TARGET, "--json")
    assert said.status == 1
    first, second = json.loads(said.out)
    assert (first["restores"], second["restores"]) == (False, True)
    assert "configured not to restore" in first["error"]


def test_one_node_can_be_asked_for_and_has_to_be_there(
    run: Run, nodes: dict[str, str | None]
) -> None:
    assert len(run("canary", TARGET, "--node", "node-b").out.splitlines()) == 2
    said = run("canary", TARGET, "--node", "node-z")
    assert (said.status, "it has node-a, node-b" in said.err) == (2, True)


def test_a_test_restore_says_what_it_proved(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = proof_of(world.checkpointed())
    monkeypatch.setattr(IsolatedRestore, "run", lambda _: proof)
    said = run("test-restore", POLICY)
    assert (said.status, said.out.strip()) == (0, f"{proof.restore_point}: {proof}")
    (document,) = json.loads(run("test-restore", POLICY, "--json").out)
    assert document["restore_point"] == proof.restore_point


def test_what_is_not_proven_says_why_and_fails(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: IsolatedRestore) -> Proof:
        raise PermanentError("CRIU failed", where="node-b", do="compare the nodes")

    monkeypatch.setattr(IsolatedRestore, "run", failing)
    said = run("test-restore", POLICY)
    assert (said.status, said.out) == (1, "")
    assert "package video is not proven: node-b: CRIU failed" in said.err
