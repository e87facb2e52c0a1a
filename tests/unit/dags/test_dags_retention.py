"""What a policy's retention becomes."""

from pathlib import Path

import pytest
from airflow.sdk import CronTriggerTimetable

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import load_policy
from airflow_transition.dags_retention import retention_dag

GUIDE_POLICY = Path(__file__).parents[1] / "core" / "guide-policy.yaml"


@pytest.fixture
def policy() -> ClusterPolicy:
    document = load_policy(GUIDE_POLICY).model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["timeZone"] = "Asia/Seoul"
    document["spec"]["retention"] = {"schedule": "5 4 * * *", "keepNewest": 7, "keepForHours": 48}
    return ClusterPolicy.of_document(document)


def test_it_runs_by_its_own_schedule_in_the_policys_time_zone(policy: ClusterPolicy) -> None:
    timetable = retention_dag(policy, shared={}).timetable
    assert isinstance(timetable, CronTriggerTimetable)
    assert (timetable.expression, str(timetable.timezone)) == ("5 4 * * *", "Asia/Seoul")


def test_it_runs_once_at_a_time_and_catches_nothing_up(policy: ClusterPolicy) -> None:
    built = retention_dag(policy, shared={})
    assert (built.max_active_runs, built.catchup) == (1, False)
    assert built.dagrun_timeout


def test_a_scheduled_run_is_no_dry_run_and_a_person_can_ask_for_one(policy: ClusterPolicy) -> None:
    built = retention_dag(policy, shared={})
    assert built.params["dry_run"] is False
    assert built.get_task("retention").plan_only == "{{ params.dry_run }}"


def test_it_says_what_it_keeps(policy: ClusterPolicy) -> None:
    text = retention_dag(policy, shared={}).doc_md or ""
    assert "the 7 newest verified restore points" in text
    assert "everything younger than 48 h" in text
