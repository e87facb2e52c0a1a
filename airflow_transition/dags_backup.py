"""The DAGs that keep backups of packages whose state is in their volumes alone."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_transition.core.cluster_package import package_on, source_package
from airflow_transition.core.policy import BackupEntry, ClusterPolicy, PackageSelector
from airflow_transition.core.velero import velero_cron
from airflow_transition.dag_texts import backup_text
from airflow_transition.dags_checkpoint import timetable
from airflow_transition.operators.backups import VeleroBackupOperator

_LIMIT = timedelta(minutes=30)


def backup_dag(
    policy: ClusterPolicy, *, package: PackageSelector, backup: BackupEntry, shared: dict[str, Any]
) -> DAG:
    velero = policy.spec.velero
    with DAG(
        dag_id=policy.backup_dag_id(package=package.name, backup=backup.name),
        description=f"Backups of the volumes of {package.name}, by Velero",
        schedule=timetable(backup, time_zone=policy.spec.time_zone),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=velero.timeout + _LIMIT,
        is_paused_upon_creation=False,
        tags={"transition", "backup", policy.name},
        doc_md=backup_text(policy, package=package, backup=backup),
        **shared,
    ) as dag:
        VeleroBackupOperator(
            task_id="backup",
            policy=policy.name,
            velero=velero,
            backup=backup.name,
            package=source_package(policy, package=package).as_json(),
            places=[
                package_on(policy, package=package, cluster=cluster).as_json()
                for cluster in policy.clusters
            ],
            cron=velero_cron(backup.schedule_period, time_zone=policy.spec.time_zone),
            execution_timeout=velero.timeout + _LIMIT,
        )
    return dag
