"""From a policy to its DAGs: pure, and the one place that knows the order of tasks."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from airflow.sdk import DAG, CronTriggerTimetable, Param, XComArg

from airflow_transition.core.cluster_package import source_package
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.policy import BackupEntry, ClusterPolicy, PackageSelector
from airflow_transition.dag_retention import retention_dag
from airflow_transition.dag_texts import checkpoint_text, migrate_text
from airflow_transition.operators.door import DoorCloseOperator
from airflow_transition.operators.move_settle import MoveSettleOperator
from airflow_transition.operators.plan import TransitionPlanOperator
from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator
from airflow_transition.operators.promotion import GitPromoteOperator
from airflow_transition.operators.restore_point import RestorePointRecordOperator
from airflow_transition.operators.retirement import WorkloadRetireOperator
from airflow_transition.sensors.checkpoint_record import CheckpointRecordSensor
from airflow_transition.sensors.workload_restored import WorkloadRestoredSensor
from airflow_transition.transfers.checkpoint_to_image import CheckpointToImageOperator

_CHECKPOINT_LIMIT = timedelta(hours=2)
_STEP_LIMIT = timedelta(minutes=30)
_COPY_LIMIT = timedelta(hours=2)
"""Backstops against a call that hangs; the hooks have their own, shorter ones."""


def build_dags(policy: ClusterPolicy, *, only_dag_id: str | None = None) -> list[DAG]:
    """All DAGs of a policy: one for each live package and backup entry, and the one that migrates.

    A package that is not live has no memory to keep, so nothing is checkpointed for it.
    A worker needs one of them: `only_dag_id` builds no other.
    """
    builders = dict(_builders(policy))
    wanted = builders.keys() if only_dag_id is None else builders.keys() & {only_dag_id}
    return [builders[dag_id]() for dag_id in builders if dag_id in wanted]


def _builders(policy: ClusterPolicy) -> Iterator[tuple[str, Callable[[], DAG]]]:
    """DAG id to what builds the DAG."""
    for package in policy.spec.package_selectors:
        if package.live_state_package:
            for backup in package.backup_information:
                dag_id = policy.checkpoint_dag_id(package=package.name, backup=backup.name)
                yield dag_id, partial(_checkpoint_dag, policy, package=package, backup=backup)
    yield policy.migrate_dag_id, partial(_migrate_dag, policy)
    yield policy.retention_dag_id, partial(retention_dag, policy)


def _checkpoint_dag(policy: ClusterPolicy, *, package: PackageSelector, backup: BackupEntry) -> DAG:
    with DAG(
        dag_id=policy.checkpoint_dag_id(package=package.name, backup=backup.name),
        description=f"Restore points of {package.name} on {policy.source.name}",
        schedule=_timetable(backup, time_zone=policy.spec.time_zone),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=_CHECKPOINT_LIMIT,
        is_paused_upon_creation=False,
        tags={"transition", "checkpoint", policy.name},
        doc_md=checkpoint_text(policy, package=package, backup=backup),
    ) as dag:
        checkpoint = PodCheckpointOperator(
            task_id="checkpoint", package=source_package(policy, package=package).as_json()
        )
        uploaded = CheckpointRecordSensor(
            task_id="uploaded", checkpoint=checkpoint.output, deferrable=True
        )
        image = CheckpointToImageOperator(task_id="image", checkpoint=checkpoint.output)
        RestorePointRecordOperator(
            task_id="record",
            policy=policy.name,
            checkpoint=checkpoint.output,
            images=image.output,
        )
        uploaded >> image
    return dag


def _migrate_dag(policy: ClusterPolicy) -> DAG:
    """The planned move.

    It has no `dagrun_timeout`: Airflow skips even teardown tasks of a run that timed out, and the
    source's door would stay closed. Each task has its own limit instead.
    """
    with DAG(
        dag_id=policy.migrate_dag_id,
        description=f"Move a package away from {policy.source.name}, with its memory",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags={"transition", "migrate", policy.name},
        params=_form(policy),
        default_args={"execution_timeout": _STEP_LIMIT},
        doc_md=migrate_text(policy),
    ) as dag:
        _move(policy)
    return dag


def _move(policy: ClusterPolicy) -> None:
    """A chain, so that each failure is seen by `settle`, the teardown of `plan`, and by it alone.

    The restore point is recorded beside the chain, while the target restores: nobody waits for it
    behind a closed door.
    """
    plan = TransitionPlanOperator(
        task_id="plan",
        policy=policy,
        package="{{ params.package }}",
        target="{{ params.target }}",
        plan_only="{{ params.dry_run }}",
    )
    source, target = XComArg(plan, key="source"), XComArg(plan, key="target")
    close_door = DoorCloseOperator(task_id="close_door", package=source)
    checkpoint = PodCheckpointOperator(
        task_id="checkpoint", package=source, door=close_door.output, execution_timeout=_COPY_LIMIT
    )
    image = CheckpointToImageOperator(
        task_id="image",
        checkpoint=checkpoint.output,
        record_timeout=timedelta(minutes=15),
        execution_timeout=_COPY_LIMIT,
    )
    record = RestorePointRecordOperator(
        task_id="record", policy=policy.name, checkpoint=checkpoint.output, images=image.output
    )
    promote = GitPromoteOperator(task_id="promote", plan=plan.output, images=image.output)
    verify = WorkloadRestoredSensor(task_id="verify", package=target, images=image.output)
    retire = WorkloadRetireOperator(
        task_id="retire", plan=plan.output, checkpoint=checkpoint.output
    )
    settle = MoveSettleOperator(
        task_id="settle",
        plan=plan.output,
        promote_task="promote",
        verify_task="verify",
        retire_task="retire",
    ).as_teardown(setups=plan, on_failure_fail_dagrun=True)
    plan >> close_door >> checkpoint >> image >> promote >> verify >> retire >> settle
    promote >> record


def _form(policy: ClusterPolicy) -> dict[str, Param]:
    """What a person is asked for when starting a move."""
    packages = [
        package.name for package in policy.spec.package_selectors if package.live_state_package
    ]
    targets = [cluster.name for cluster in policy.spec.target_cluster_policy.prefer_clusters]
    return {
        "package": Param(
            packages[0] if len(packages) == 1 else None,
            type="string",
            enum=packages or ["none of this policy's packages is live"],
            title="Package",
            description=f"What leaves {policy.source.name}.",
        ),
        "target": Param(
            AUTOMATIC,
            type="string",
            enum=[AUTOMATIC, *targets],
            title="Target",
            description="automatic: the cluster with the most weight of those that can restore it.",
        ),
        "dry_run": Param(
            default=False,
            type="boolean",
            title="Dry run",
            description="Ends after the plan, which shows what would be done and why.",
        ),
    }


def _timetable(backup: BackupEntry, *, time_zone: str) -> CronTriggerTimetable | None:
    if backup.schedule_period is None:
        return None
    return CronTriggerTimetable(backup.schedule_period, timezone=time_zone)
