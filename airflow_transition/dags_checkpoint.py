"""The DAGs that keep restore points: of one package, and of all that are found by annotation."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, CronTriggerTimetable, task_group

from airflow_transition.core.cluster_package import package_on, source_package
from airflow_transition.core.policy import BackupEntry, ClusterPolicy, PackageSelector
from airflow_transition.dag_texts import checkpoint_text, found_checkpoint_text
from airflow_transition.operators.checkpoint_hooks import CheckpointAfterOperator
from airflow_transition.operators.found_packages import FoundPackagesOperator
from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator
from airflow_transition.operators.restore_point import RestorePointRecordOperator
from airflow_transition.operators.staging import StageImagesOperator
from airflow_transition.restore_point_asset import restore_point_asset
from airflow_transition.sensors.checkpoint_record import CheckpointRecordSensor
from airflow_transition.task_values import TaskValue
from airflow_transition.transfers.checkpoint_to_image import CheckpointToImageOperator

_AT_ONCE = 8
"""Dumps of one run at a time: each stops a process and fills a disk."""
_LIMIT = timedelta(hours=2)
"""A backstop against a call that hangs; the hooks have their own, shorter ones."""


def checkpoint_dag(
    policy: ClusterPolicy, *, package: PackageSelector, backup: BackupEntry, shared: dict[str, Any]
) -> DAG:
    with _dag(
        policy,
        dag_id=policy.checkpoint_dag_id(package=package.name, backup=backup.name),
        backup=backup,
        description=f"Restore points of {package.name}, protected on {policy.source.name}",
        doc_md=checkpoint_text(policy, package=package, backup=backup),
        **shared,
    ) as dag:
        protected = source_package(policy, package=package).as_json()
        _make_restore_point(
            policy,
            package=protected,
            places=[
                package_on(policy, package=package, cluster=cluster).as_json()
                for cluster in policy.clusters
            ],
            followed=restore_point_asset(policy.name, package=package.name),
        )
        if package.checkpoint_hooks and package.checkpoint_hooks.after:
            after = CheckpointAfterOperator(
                task_id="after_hook", package=protected, checkpoint_task="checkpoint"
            ).as_teardown(on_failure_fail_dagrun=True)
            dag.get_task("checkpoint") >> after
    return dag


def found_checkpoint_dag(
    policy: ClusterPolicy, *, backup: BackupEntry, shared: dict[str, Any]
) -> DAG:
    """Which packages there are is known when a run begins: parsing asks nobody."""
    with _dag(
        policy,
        dag_id=policy.found_checkpoint_dag_id(backup=backup.name),
        backup=backup,
        description=f"Restore points of every package annotated on {policy.source.name}",
        doc_md=found_checkpoint_text(policy, backup=backup),
        **shared,
    ) as dag:
        packages = FoundPackagesOperator(task_id="packages", policy=policy)

        @task_group(group_id="package")
        def package(package: Any, places: Any) -> None:
            _make_restore_point(
                policy,
                package=package,
                places=places,
                followed=restore_point_asset(policy.name),
                max_active_tis_per_dagrun=_AT_ONCE,
                map_index_template="{{ task.package['package'] }}",
            )

        package.expand_kwargs(packages.output)
    return dag


def _dag(
    policy: ClusterPolicy, *, dag_id: str, backup: BackupEntry, doc_md: str, **arguments: Any
) -> DAG:
    return DAG(
        dag_id=dag_id,
        schedule=timetable(backup, time_zone=policy.spec.time_zone),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=_LIMIT,
        is_paused_upon_creation=False,
        tags={"transition", "checkpoint", policy.name},
        doc_md=doc_md,
        **arguments,
    )


def _make_restore_point(
    policy: ClusterPolicy, *, package: TaskValue, places: Any, followed: Asset, **arguments: Any
) -> None:
    """The four steps from a running pod to a restore point; `arguments` are the first one's.

    `followed` has an event for each restore point, so that other DAGs can follow it.
    A fifth has the target's nodes fetch it, where the policy says so.
    """
    checkpoint = PodCheckpointOperator(
        task_id="checkpoint",
        package=package,
        places=places,
        lease_seconds=policy.spec.failover.lease_seconds,
        **arguments,
    )
    uploaded = CheckpointRecordSensor(
        task_id="uploaded", checkpoint=checkpoint.output, deferrable=True
    )
    image = CheckpointToImageOperator(task_id="image", checkpoint=checkpoint.output)
    record = RestorePointRecordOperator(
        task_id="record",
        policy=policy.name,
        checkpoint=checkpoint.output,
        images=image.output,
        definition=policy,
        outlets=[followed],
    )
    uploaded >> image
    if policy.spec.restore.staging:
        StageImagesOperator(task_id="stage", policy=policy, restore_point=record.output)


def timetable(backup: BackupEntry, *, time_zone: str) -> CronTriggerTimetable | None:
    """When a backup entry's DAG runs; None: by hand."""
    if backup.schedule_period is None:
        return None
    return CronTriggerTimetable(backup.schedule_period, timezone=time_zone)
