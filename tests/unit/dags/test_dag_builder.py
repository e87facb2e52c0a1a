"""What a policy becomes."""

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, CronTriggerTimetable
from airflow.serialization.serialized_objects import DagSerialization

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import load_policy
from airflow_transition.dag_builder import build_dags
from airflow_transition.retry_policy import TransitionRetryPolicy

GUIDE_POLICY = Path(__file__).parents[1] / "core" / "guide-policy.yaml"
CHECKPOINT = "checkpoint.clusterpolicy-sample.video.my-test-backup"
MIGRATE = "migrate.clusterpolicy-sample"
BACKUP = "backup.clusterpolicy-sample.video.my-test-backup"
REDEPLOY = "redeploy.clusterpolicy-sample"
FAILOVER = "failover.clusterpolicy-sample"
FAILBACK = "failback.clusterpolicy-sample"
RETENTION = "retention.clusterpolicy-sample"


@pytest.fixture
def policy() -> ClusterPolicy:
    return load_policy(GUIDE_POLICY)


def dag(policy: ClusterPolicy, dag_id: str) -> DAG:
    (found,) = build_dags(policy, only_dag_id=dag_id)
    return found


def changed(policy: ClusterPolicy, **package: Any) -> ClusterPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["packageSelectors"][0] |= package
    return ClusterPolicy.of_document(document)


def test_the_guides_policy_becomes_one_dag_for_each_thing_to_do(policy: ClusterPolicy) -> None:
    assert [dag.dag_id for dag in build_dags(policy)] == [
        CHECKPOINT,
        MIGRATE,
        FAILOVER,
        FAILBACK,
        RETENTION,
    ]


def test_a_worker_builds_only_the_dag_it_was_asked_for(policy: ClusterPolicy) -> None:
    assert [dag.dag_id for dag in build_dags(policy, only_dag_id=MIGRATE)] == [MIGRATE]
    assert build_dags(policy, only_dag_id="migrate.another") == []


def test_the_cron_is_read_in_the_policys_time_zone(policy: ClusterPolicy) -> None:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"]["timeZone"] = "Asia/Seoul"
    timetable = dag(ClusterPolicy.of_document(document), CHECKPOINT).timetable
    assert isinstance(timetable, CronTriggerTimetable)
    assert (timetable.expression, str(timetable.timezone)) == ("*/3 * * * *", "Asia/Seoul")


def test_a_checkpoint_dag_runs_once_at_a_time_and_catches_nothing_up(
    policy: ClusterPolicy,
) -> None:
    built = dag(policy, CHECKPOINT)
    assert (built.max_active_runs, built.catchup) == (1, False)
    assert built.dagrun_timeout


def test_a_manual_backup_has_no_schedule(policy: ClusterPolicy) -> None:
    manual = changed(policy, backupInformation=[{"name": "now", "backupType": "Manual"}])
    built = dag(manual, "checkpoint.clusterpolicy-sample.video.now")
    assert not built.timetable.can_be_scheduled


def test_a_package_that_is_not_live_is_told_to_be_left_out(policy: ClusterPolicy) -> None:
    others = changed(policy, liveStatePackage=False)
    assert CHECKPOINT not in [built.dag_id for built in build_dags(others)]
    built = dag(others, MIGRATE)
    assert "`video` is not in the form" in (built.doc_md or "")
    assert dag(others, REDEPLOY).params.get_param("package").schema["enum"] == ["video"]


def test_a_redeployment_ends_as_a_move_does(policy: ClusterPolicy) -> None:
    others = changed(policy, packageType="Stateless", liveStatePackage=False, backupInformation=[])
    built = dag(others, REDEPLOY)
    settle = built.get_task("settle")
    assert settle.is_teardown
    assert settle.on_failure_fail_dagrun
    assert built.get_task("plan").is_setup
    assert (built.dagrun_timeout, built.max_active_runs) == (None, 1)
    assert all(task.execution_timeout for task in built.tasks)
    encoded = DagSerialization.to_dict(built)
    DagSerialization.validate_schema(encoded)
    assert DagSerialization.from_dict(encoded).task_ids == built.task_ids


def test_a_policy_for_all_makes_one_dag_more_for_what_it_finds(policy: ClusterPolicy) -> None:
    """Which packages there are is found when a run begins: parsing asks nobody."""
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"] |= {
        "selectMode": "All",
        "backupInformation": [
            {"name": "hourly", "backupType": "Schedule", "schedulePeriod": "@hourly"}
        ],
    }
    everything = ClusterPolicy.of_document(document)
    ids = [built.dag_id for built in build_dags(everything)]
    found = "checkpoint.clusterpolicy-sample._found.hourly"
    assert ids == [CHECKPOINT, found, MIGRATE, FAILOVER, FAILBACK, RETENTION]
    built = dag(everything, found)
    assert isinstance(built.timetable, CronTriggerTimetable)
    assert built.get_task("package.checkpoint").max_active_tis_per_dagrun
    encoded = DagSerialization.to_dict(built)
    DagSerialization.validate_schema(encoded)
    assert DagSerialization.from_dict(encoded).task_ids == built.task_ids
    param = dag(everything, MIGRATE).params.get_param("package")
    assert (param.schema.get("enum"), param.schema["examples"]) == (None, ["video"])


def test_the_form_offers_packages_and_targets(policy: ClusterPolicy) -> None:
    params = dag(policy, MIGRATE).params
    assert params.get_param("package").schema["enum"] == ["video"]
    assert params.get_param("target").schema["enum"] == [
        "automatic",
        "cluster2-aws",
        "cluster1-azure",
    ]
    assert {name: params[name] for name in params} == {
        "package": "video",
        "target": "automatic",
        "dry_run": False,
    }


def test_settle_alone_ends_a_move_and_runs_whatever_failed(policy: ClusterPolicy) -> None:
    """As the teardown of `plan` it also runs when a person marks the run as failed."""
    built = dag(policy, MIGRATE)
    settle = built.get_task("settle")
    assert settle.is_teardown
    assert settle.on_failure_fail_dagrun
    assert settle.upstream_task_ids == {"plan", "retire"}
    assert built.get_task("plan").is_setup
    chain = {"close_door", "checkpoint", "image", "promote", "verify", "retire"}
    assert settle.get_flat_relative_ids(upstream=True) == {"preflight", "plan", *chain}
    assert built.get_task("plan").upstream_task_ids == {"preflight"}


def test_nobody_waits_for_the_restore_point_behind_a_closed_door(policy: ClusterPolicy) -> None:
    assert dag(policy, MIGRATE).get_task("record").downstream_task_ids == set()


def test_a_move_has_no_time_limit_of_its_own(policy: ClusterPolicy) -> None:
    """Airflow skips even teardowns of a run that timed out: the door would stay closed."""
    assert dag(policy, MIGRATE).dagrun_timeout is None


def test_each_task_of_a_move_has_a_time_limit(policy: ClusterPolicy) -> None:
    assert all(task.execution_timeout for task in dag(policy, MIGRATE).tasks)


def test_every_task_is_retried_as_its_error_says(policy: ClusterPolicy) -> None:
    for built in build_dags(policy):
        for task in built.tasks:
            assert task.retries >= 1, task.task_id
            if task.task_id != "settle":
                assert isinstance(task.retry_policy, TransitionRetryPolicy), task.task_id


def test_every_dag_explains_itself_and_survives_serialization(policy: ClusterPolicy) -> None:
    for built in build_dags(policy):
        assert built.doc_md
        assert built.tags >= {"transition", "clusterpolicy-sample"}
        encoded = DagSerialization.to_dict(built)
        DagSerialization.validate_schema(encoded)
        assert DagSerialization.from_dict(encoded).task_ids == built.task_ids


def with_spec(policy: ClusterPolicy, **spec: Any) -> ClusterPolicy:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["spec"] |= spec
    return ClusterPolicy.of_document(document)


def test_a_failover_has_three_tasks_one_after_the_other(policy: ClusterPolicy) -> None:
    built = dag(policy, FAILOVER)
    tasks = [task.task_id for task in built.topological_sort()]
    assert tasks == ["plan", "promote", "verify", "end"]
    assert built.get_task("end").is_teardown, "it does not say how the run went"
    assert not built.get_task("plan").is_setup, "clearing a task does not plan anew"
    assert built.max_active_runs == 1


@pytest.mark.parametrize("mode", ["Automatic", "Approve"])
def test_a_fault_starts_the_failover(policy: ClusterPolicy, mode: str) -> None:
    built = dag(with_spec(policy, failover={"mode": mode}), FAILOVER)
    (asset,) = built.timetable.asset_condition.objects
    assert asset.name == "transition-fault/clusterpolicy-sample"


def test_a_failover_by_hand_is_scheduled_by_nothing(policy: ClusterPolicy) -> None:
    built = dag(with_spec(policy, failover={"mode": "Manual"}), FAILOVER)
    assert not built.timetable.can_be_scheduled


def test_a_person_approves_the_plan_itself(policy: ClusterPolicy) -> None:
    built = dag(with_spec(policy, failover={"mode": "Approve"}), FAILOVER)
    approve = built.get_task("approve")
    assert approve.upstream_task_ids == {"plan"}
    assert approve.downstream_task_ids == {"promote"}
    assert "task_ids='plan', key='text'" in approve.body


def test_a_run_that_an_event_starts_needs_no_form(policy: ClusterPolicy) -> None:
    params = dag(policy, FAILOVER).params
    params.validate()
    assert {name: params[name] for name in params} == {
        "cluster": None,
        "target": "automatic",
        "dry_run": False,
        "source_stopped": False,
        "restore_point": "automatic",
    }
    assert params.get_param("cluster").schema["enum"] == [None, "cluster1-azure", "cluster2-aws"]


def test_a_failback_is_the_move_to_the_source_with_the_same_tasks(policy: ClusterPolicy) -> None:
    there, back = dag(policy, MIGRATE), dag(policy, FAILBACK)
    assert back.task_ids == there.task_ids
    assert back.params["target"] == "cluster1-azure"


def test_a_checkpoint_follows_the_package_to_any_cluster_of_the_policy(
    policy: ClusterPolicy,
) -> None:
    leased = with_spec(policy, failover={"leaseSeconds": 5})
    checkpoint = dag(leased, CHECKPOINT).get_task("checkpoint")
    assert [place["cluster"] for place in checkpoint.places] == ["cluster1-azure", "cluster2-aws"]
    assert checkpoint.lease_seconds == 5


def test_the_connections_of_a_policy_are_told_how_each_run_ended(policy: ClusterPolicy) -> None:
    for built in build_dags(with_spec(policy, notify=["pager", "chat"])):
        for callbacks, ended in (
            (built.on_success_callback, "success"),
            (built.on_failure_callback, "failed"),
        ):
            assert [(each.conn_id, each.ended) for each in callbacks] == [
                ("pager", ended),
                ("chat", ended),
            ]
    assert all(built.on_failure_callback is None for built in build_dags(policy))


HOOKS = {
    "before": {"http": {"port": 80, "path": "/freeze"}},
    "after": {"exec": {"container": "app", "command": ["thaw"]}},
}


def test_a_hook_after_the_checkpoint_has_a_teardown_of_its_own(policy: ClusterPolicy) -> None:
    built = dag(changed(policy, checkpointHooks=HOOKS), CHECKPOINT)
    after = built.get_task("after_hook")
    assert after.is_teardown
    assert after.on_failure_fail_dagrun
    assert after.upstream_task_ids == {"checkpoint"}
    assert "after_hook" in (built.doc_md or "")
    assert DagSerialization.from_dict(DagSerialization.to_dict(built)).task_ids == built.task_ids
    only_before = changed(policy, checkpointHooks={"before": HOOKS["before"]})
    assert not dag(only_before, CHECKPOINT).has_task("after_hook")


def test_a_package_with_volumes_has_its_backups_by_velero(policy: ClusterPolicy) -> None:
    stateful = changed(policy, liveStatePackage=False)
    built = dag(stateful, BACKUP)
    task = built.get_task("backup")
    assert task.cron == "*/3 * * * *"
    elsewhere = dag(with_spec(stateful, timeZone="Asia/Seoul"), BACKUP)
    assert elsewhere.get_task("backup").cron is None, "Velero reads no time zones"
    assert "Each run, by `*/3 * * * *` (Asia/Seoul)" in (elsewhere.doc_md or "")
    assert isinstance(built.timetable, CronTriggerTimetable)
    assert [place["cluster"] for place in task.places] == ["cluster1-azure", "cluster2-aws"]
    assert DagSerialization.from_dict(DagSerialization.to_dict(built)).task_ids == built.task_ids
