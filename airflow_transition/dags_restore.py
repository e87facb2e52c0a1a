"""The DAGs that find out whether a restore would work: canaries and test restores."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param

from airflow_transition.core.cron import Cron
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.canary import CanaryOperator
from airflow_transition.operators.restore_test import RestoreTestOperator

_LIMIT = timedelta(hours=6)


def canary_dag(policy: ClusterPolicy, *, schedule: Cron, shared: dict[str, Any]) -> DAG:
    """One task for each cluster of the policy; each tries all nodes of its own."""
    with _dag(
        policy,
        dag_id=policy.canary_dag_id,
        schedule=schedule,
        kind="canary",
        description=f"See that the nodes of {policy.name} checkpoint and restore",
        doc_md=_canary_text(policy),
        **shared,
    ) as dag:
        for cluster in policy.clusters:
            CanaryOperator(task_id=cluster, cluster=cluster)
    return dag


def restore_test_dag(policy: ClusterPolicy, *, schedule: Cron, shared: dict[str, Any]) -> DAG:
    with _dag(
        policy,
        dag_id=policy.restore_test_dag_id,
        schedule=schedule,
        kind="test-restore",
        description=f"Restore the newest restore points of {policy.name} in isolation",
        doc_md=_test_text(policy),
        params={
            "package": Param(
                default="",
                type="string",
                title="Package",
                description="One of the policy's; empty: all that move with their memory.",
            ),
            "target": Param(
                default=AUTOMATIC,
                type="string",
                title="Target",
                description="automatic: the cluster that a failover would choose.",
            ),
        },
        **shared,
    ) as dag:
        RestoreTestOperator(
            task_id="test",
            policy=policy,
            package="{{ params.package }}",
            target="{{ params.target }}",
        )
    return dag


def _dag(policy: ClusterPolicy, *, dag_id: str, schedule: Cron, kind: str, **arguments: Any) -> DAG:
    return DAG(
        dag_id=dag_id,
        schedule=CronTriggerTimetable(schedule, timezone=policy.spec.time_zone),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=_LIMIT,
        is_paused_upon_creation=False,
        tags={"transition", kind, policy.name},
        **arguments,
    )


def _canary_text(policy: ClusterPolicy) -> str:
    return f"""\
### Canaries of `{policy.name}`

Each run checkpoints and restores a tiny pod on every node of {", ".join(policy.clusters)} that is
Ready, in the namespace `transition-canary`, and removes it again with all that it left in the
checkpoint store and the registry. A task fails when a node of its cluster does not restore.
"""


def _test_text(policy: ClusterPolicy) -> str:
    return f"""\
### Test restores of `{policy.name}`

Each run restores the newest verified restore point of every live package on the cluster that a
failover would choose, in the namespace `transition-test-restore`, from which nothing goes out and
into which nothing comes. What is Ready, and answers the package's `restoreCheck` if it has one, is
marked as proven (`airflow transition restore-points`); the newest proven one is kept by retention.
The namespace is removed whatever happens.
"""
