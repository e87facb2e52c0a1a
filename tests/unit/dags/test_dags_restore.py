"""What a policy's canaries, test restores and staging become."""

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import CronTriggerTimetable

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import load_policy
from airflow_transition.dag_builder import build_dags
from airflow_transition.policy_dags import policy_name_of

GUIDE_POLICY = Path(__file__).parents[1] / "core" / "guide-policy.yaml"
BOTH = {"canarySchedule": "30 2 * * *", "testSchedule": "0 4 * * 0"}


def policy(**restore: Any) -> ClusterPolicy:
    document = load_policy(GUIDE_POLICY).model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"] |= {"timeZone": "Asia/Seoul", "restore": restore}
    return ClusterPolicy.of_document(document)


def test_without_a_schedule_there_is_no_dag() -> None:
    kinds = {dag.dag_id.partition(".")[0] for dag in build_dags(policy())}
    assert {"canary", "test-restore"}.isdisjoint(kinds)


@pytest.mark.parametrize(
    ("kind", "cron"), [("canary", "30 2 * * *"), ("test-restore", "0 4 * * 0")]
)
def test_it_runs_by_its_schedule_in_the_policys_time_zone(kind: str, cron: str) -> None:
    wanted = policy(**BOTH)
    (dag,) = [each for each in build_dags(wanted) if each.dag_id == f"{kind}.{wanted.name}"]
    assert isinstance(dag.timetable, CronTriggerTimetable)
    assert (dag.timetable.expression, str(dag.timetable.timezone)) == (cron, "Asia/Seoul")
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert policy_name_of(dag.dag_id) == wanted.name
    assert build_dags(wanted, only_dag_id=dag.dag_id)[0].dag_id == dag.dag_id


def test_a_canary_flies_on_each_cluster_of_the_policy() -> None:
    wanted = policy(**BOTH)
    (dag,) = build_dags(wanted, only_dag_id=wanted.canary_dag_id)
    assert {task.cluster for task in dag.tasks} == set(wanted.clusters)


def test_a_person_may_test_one_package_on_one_cluster() -> None:
    wanted = policy(**BOTH)
    (dag,) = build_dags(wanted, only_dag_id=wanted.restore_test_dag_id)
    assert (dag.params["package"], dag.params["target"]) == ("", "automatic")
    (task,) = dag.tasks
    assert (task.package, task.target) == ("{{ params.package }}", "{{ params.target }}")


@pytest.mark.parametrize("staging", [True, False])
def test_staging_follows_the_record_where_the_policy_says_so(staging: bool) -> None:
    dags = build_dags(policy(staging=staging))
    checkpoints = [dag for dag in dags if dag.dag_id.startswith("checkpoint.")]
    assert checkpoints
    for dag in checkpoints:
        assert ("stage" in dag.task_ids) is staging
        if staging:
            assert dag.get_task("stage").upstream_task_ids == {"record"}


def test_a_check_is_one_question(tmp_path: Path) -> None:
    document = policy().model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["packageSelectors"][0]["restoreCheck"] = {}
    with pytest.raises(ValueError, match="exactly one of exec"):
        ClusterPolicy.of_document(document)
