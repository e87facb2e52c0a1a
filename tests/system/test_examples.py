"""The provider's example DAGs, as they are, in a running Airflow against real clusters."""

from collections.abc import Callable

import pytest

from tests.system.ground import SOURCE, TARGET
from tests.system.outcome import assert_moved
from tests.system.stage import CHECKPOINT_DAG, POLICY, RETENTION_DAG, Stage

pytestmark = pytest.mark.timeout(600)


def test_a_restore_point_is_taken_while_the_package_serves(
    stage: Stage, deploy: Callable[[int], None]
) -> None:
    deploy(0)
    with stage.poller() as poller:
        run_id = stage.airflow.trigger("example_restore_point", conf={})
        assert stage.finish(run_id, dag_id="example_restore_point") == "success"
        client = poller.report()
    recorded = stage.airflow.xcom("example_restore_point", run_id=run_id, task_id="record")
    assert stage.read_object(recorded["key"])["verified"]
    assert client.problems == ()
    assert client.longest_gap
    stage.say(f"the client waited {client.longest_gap.seconds} s for a checkpoint")


def test_a_pinned_restore_point_is_seen_by_retention(
    stage: Stage, deploy: Callable[[int], None]
) -> None:
    deploy(0)
    run_id = stage.airflow.trigger("example_pin", conf={})
    assert stage.finish(run_id, dag_id="example_pin") == "success"
    pinned = stage.airflow.xcom("example_pin", run_id=run_id, task_id="pin")
    assert stage.read_object(pinned["key"])["why"] == "before the upgrade to version 2"
    run_id = stage.airflow.trigger("example_retention", conf={})
    assert stage.finish(run_id, dag_id="example_retention") == "success"
    result = stage.airflow.xcom("example_retention", run_id=run_id, task_id="retention")
    assert (result["removed"], result["orphans"], result["stopped"]) == (0, 0, None)


def test_a_policys_retention_keeps_what_is_young(
    stage: Stage, deploy: Callable[[int], None]
) -> None:
    """With the rights that the connections of a deployment have, and moves asked for."""
    deploy(0)
    run_id = stage.airflow.trigger(CHECKPOINT_DAG, conf={})
    assert stage.finish(run_id, dag_id=CHECKPOINT_DAG) == "success"
    run_id = stage.airflow.trigger(RETENTION_DAG, conf={"dry_run": False})
    assert stage.finish(run_id, dag_id=RETENTION_DAG) == "success"
    result = stage.airflow.xcom(RETENTION_DAG, run_id=run_id, task_id="retention")
    assert result["kept"] >= 1
    assert (result["removed"], result["orphans"], result["stopped"]) == (0, 0, None)
    log = stage.log(run_id, task_id="retention", dag_id=RETENTION_DAG)
    assert f"{POLICY}: {result['kept']} restore point" in log


def test_a_doctor_finds_the_lab_well_and_a_plan_follows(
    stage: Stage, deploy: Callable[[int], None]
) -> None:
    deploy(0)
    run_id = stage.airflow.trigger("example_doctor", conf={})
    assert stage.finish(run_id, dag_id="example_doctor") == "success"
    report = stage.airflow.xcom("example_doctor", run_id=run_id, task_id="doctor")
    assert {one["status"] for one in report["findings"]} <= {"ok", "unknown", "warning"}
    plan = stage.airflow.xcom("example_doctor", run_id=run_id, task_id="plan")
    assert plan["target"]["cluster"] == TARGET


def test_a_door_closes_and_opens_again(stage: Stage, deploy: Callable[[int], None]) -> None:
    deploy(0)
    process = stage.state(SOURCE)["id"]
    run_id = stage.airflow.trigger("example_door", conf={})
    assert stage.finish(run_id, dag_id="example_door") == "success"
    closed = stage.airflow.xcom("example_door", run_id=run_id, task_id="close_door")
    assert closed["services"] == ["video-service"]
    assert stage.door(SOURCE) == []
    assert stage.state(SOURCE)["id"] == process


def test_a_move_of_ones_own_moves_as_well(stage: Stage, deploy: Callable[[int], None]) -> None:
    deploy(0)
    process = stage.state(SOURCE)["id"]
    with stage.poller() as poller:
        stage.until_answered(poller, cluster=SOURCE)
        run_id = stage.airflow.trigger("example_move", conf={})
        assert stage.finish(run_id, dag_id="example_move", poller=poller) == "success"
        stage.until_answered(poller, cluster=TARGET)
        client = poller.report()
    assert_moved(stage, run_id=run_id, dag_id="example_move", process=process, client=client)
