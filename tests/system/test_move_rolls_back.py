"""A move that cannot succeed leaves things as they were, and a dry run touches nothing at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab import video
from lab.node import Node
from tests.system.ground import CLUSTERS, SOURCE, TARGET, wait_until
from tests.system.stage import CHECKPOINT_DAG, MIGRATE_DAG, Stage

pytestmark = pytest.mark.timeout(600)

MOVE = {"package": video.PACKAGE, "target": "automatic", "dry_run": False}
STOPPED = {"state": "failed"}


@contextmanager
def no_restore(node: Node) -> Iterator[None]:
    """CRIU on this node refuses its configuration, so nothing is restored there."""
    settings = node.folder / "etc-criu" / "runc.conf"
    before = settings.read_text()
    settings.write_text("no-such-option\n")
    try:
        yield
    finally:
        settings.write_text(before)


def test_a_checkpoint_by_hand_records_a_verified_restore_point(
    stage: Stage, deploy: Callable[[int], None]
) -> None:
    deploy(0)
    run_id = stage.airflow.trigger(CHECKPOINT_DAG, conf={})
    assert stage.finish(run_id, dag_id=CHECKPOINT_DAG) == "success"
    recorded = stage.airflow.xcom(CHECKPOINT_DAG, run_id=run_id, task_id="record")
    point = stage.read_object(recorded["key"])
    assert point["verified"]
    assert point["cluster"] == SOURCE
    assert stage.state(SOURCE), "the source goes on"
    assert stage.door(SOURCE) == []


def test_a_dry_run_ends_with_the_plan_and_changes_nothing(
    stage: Stage, deploy: Callable[[int], None]
) -> None:
    deploy(0)
    before = _world(stage)
    with stage.poller() as poller:
        run_id = stage.airflow.trigger(MIGRATE_DAG, conf=MOVE | {"dry_run": True})
        assert stage.finish(run_id) == "success"
        client = poller.report()
    plan = stage.airflow.xcom(MIGRATE_DAG, run_id=run_id, task_id="plan")
    assert plan["source"]["cluster"] == SOURCE
    assert plan["target"]["cluster"] == TARGET
    assert "dry run: nothing was touched" in stage.log(run_id, task_id="plan")
    states = {task: state for task, (state, _) in stage.task_states(run_id).items()}
    assert (states.pop("preflight"), states.pop("plan")) == ("success", "success")
    assert set(states.values()) == {"skipped"}
    assert _world(stage) == before
    assert client.problems == ()
    assert client.answered_by == SOURCE


def test_a_target_that_cannot_restore_gives_the_package_back(
    stage: Stage, deploy: Callable[[int], None]
) -> None:
    deploy(0)
    before = _git(stage)
    process = stage.state(SOURCE)["id"]
    with stage.poller() as poller, no_restore(stage.client(TARGET).node):
        run_id = stage.airflow.trigger(MIGRATE_DAG, conf=MOVE)
        assert stage.finish(run_id) == "failed"
        reopened = poller.report().answers
        stage.until_answered(poller, cluster=SOURCE)
        client = poller.report()

    assert client.problems == ()
    assert client.id == process
    assert client.switches == ()
    assert client.answered_by == SOURCE
    assert client.answers >= reopened
    assert client.longest_gap
    stage.say(f"the client waited {client.longest_gap.seconds} s for a move that was rolled back")

    states = stage.task_states(run_id)
    assert states["verify"][0] == "failed"
    assert states["retire"][0] == "upstream_failed"
    assert states["settle"] == ("failed", 1), "a finished rollback is not tried again"
    why = stage.log(run_id, task_id="verify")
    assert "failed to restore the checkpoint" in why
    said = stage.log(run_id, task_id="settle")
    assert f"rolled back: {video.PACKAGE} is open on {SOURCE} again" in said
    assert "task verify failed" in said

    assert _git(stage) == before, "what Git says is what it said before"
    move = f"{MIGRATE_DAG}/{run_id}"
    promoted = f"Promote {video.PACKAGE} from {SOURCE}"
    assert promoted in stage.repository(TARGET).moves(move)
    assert stage.repository(SOURCE).moves(move) == []
    assert stage.client(TARGET).pods() == []
    assert stage.containers(TARGET) == []
    assert stage.door(SOURCE) == []
    assert len(stage.ready_pods(SOURCE)) == 1


def test_a_move_that_a_person_stops_gives_the_package_back(
    stage: Stage, deploy: Callable[[int], None]
) -> None:
    deploy(0)
    process = stage.state(SOURCE)["id"]
    with stage.poller() as poller:
        run_id = stage.airflow.trigger(MIGRATE_DAG, conf=MOVE)
        wait_until(
            lambda: stage.task_states(run_id)["checkpoint"][0] == "success",
            what="the source is closed and checkpointed",
            pause=0.05,
        )
        stage.airflow.rest("PATCH", f"dags/{MIGRATE_DAG}/dagRuns/{run_id}", json=STOPPED)
        wait_until(
            lambda: stage.task_states(run_id)["settle"][0] in {"failed", "success"},
            what="the move is settled",
            pause=0.1,
        )
        stage.until_answered(poller, cluster=SOURCE)
        client = poller.report()
    stage.finish(run_id)
    assert f"{video.PACKAGE} is open on {SOURCE} again" in stage.log(run_id, task_id="settle")
    assert (client.problems, client.switches, client.id) == ((), (), process)
    assert stage.door(SOURCE) == []
    assert stage.containers(TARGET) == []


def _git(stage: Stage) -> list[str]:
    return [stage.repository(cluster).tree for cluster in CLUSTERS]


def _world(stage: Stage) -> dict[str, object]:
    """Everything that a move could change."""
    return {
        "heads": [stage.repository(cluster).head for cluster in CLUSTERS],
        "doors": [stage.door(cluster) for cluster in CLUSTERS],
        "objects": stage.objects(),
        "pods": [
            (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["containerID"])
            for cluster in CLUSTERS
            for pod in stage.client(cluster).pods()
        ],
        "archives": [
            sorted(
                file.name for file in (stage.client(cluster).node.folder / "checkpoints").iterdir()
            )
            for cluster in CLUSTERS
        ],
    }
