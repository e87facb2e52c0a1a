"""The DAG that keeps restore points of one package."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable

from airflow_transition.core.cluster_package import package_on, source_package
from airflow_transition.core.policy import BackupEntry, ClusterPolicy, PackageSelector
from airflow_transition.dag_texts import checkpoint_text
from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator
from airflow_transition.operators.restore_point import RestorePointRecordOperator
from airflow_transition.sensors.checkpoint_record import CheckpointRecordSensor
from airflow_transition.transfers.checkpoint_to_image import CheckpointToImageOperator

_LIMIT = timedelta(hours=2)
"""A backstop against a call that hangs; the hooks have their own, shorter ones."""


def checkpoint_dag(
    policy: ClusterPolicy, *, package: PackageSelector, backup: BackupEntry, shared: dict[str, Any]
) -> DAG:
    with DAG(
        dag_id=policy.checkpoint_dag_id(package=package.name, backup=backup.name),
        description=f"Restore points of {package.name}, protected on {policy.source.name}",
        schedule=_timetable(backup, time_zone=policy.spec.time_zone),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=_LIMIT,
        is_paused_upon_creation=False,
        tags={"transition", "checkpoint", policy.name},
        doc_md=checkpoint_text(policy, package=package, backup=backup),
        **shared,
    ) as dag:
        checkpoint = PodCheckpointOperator(
            task_id="checkpoint",
            package=source_package(policy, package=package).as_json(),
            places=[
                package_on(policy, package=package, cluster=cluster).as_json()
                for cluster in policy.clusters
            ],
            lease_seconds=policy.spec.failover.lease_seconds,
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


def _timetable(backup: BackupEntry, *, time_zone: str) -> CronTriggerTimetable | None:
    if backup.schedule_period is None:
        return None
    return CronTriggerTimetable(backup.schedule_period, timezone=time_zone)
