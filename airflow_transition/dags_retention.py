"""The DAG that removes a policy's old restore points."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.reindex import CatalogueReindexOperator
from airflow_transition.operators.retention import RetentionOperator

_LIMIT = timedelta(hours=12)


def retention_dag(policy: ClusterPolicy, *, shared: dict[str, Any]) -> DAG:
    """By the schedule of the policy's `retention`, in the policy's time zone."""
    rules = policy.spec.retention
    with DAG(
        dag_id=policy.retention_dag_id,
        description=f"Remove old restore points of {policy.name}",
        schedule=CronTriggerTimetable(rules.schedule, timezone=policy.spec.time_zone),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=_LIMIT,
        is_paused_upon_creation=False,
        tags={"transition", "retention", policy.name},
        params={
            "dry_run": Param(
                default=False,
                type="boolean",
                title="Dry run",
                description="Removes nothing; the task's log tells what would go, and why.",
            )
        },
        doc_md=_text(policy),
        **shared,
    ) as dag:
        retention = RetentionOperator(
            task_id="retention", policy=policy, plan_only="{{ params.dry_run }}"
        )
        # A teardown: it runs however the retention ended, and the run is judged without it.
        reindex = CatalogueReindexOperator(task_id="reindex", policy=policy).as_teardown()
        retention >> reindex
    return dag


def _text(policy: ClusterPolicy) -> str:
    rules = policy.spec.retention
    return f"""\
### Old restore points of `{policy.name}`

Each run, by the schedule `{rules.schedule}` ({policy.spec.time_zone}), keeps of each workload, over
all clusters of the policy,

- the {rules.keep_newest} newest verified restore points,
- everything younger than {rules.keep_for_hours} h,
- what is pinned, what a manifest of the policy wants, and what shares an archive or image with one
  that stays,

and removes the others: restore point, image, record and archive. The newest verified one always
stays. Archives, records, uploads and images that no restore point names go when they are older than
a day. While a move or failover of the policy is open, nothing is removed.

Then `reindex` compares the catalogue behind the Transition page with S3, and puts it right.

The task's log begins with what stayed and what went, and gives a reason for each. The registry
frees the space of deleted images when its own garbage collection runs.
"""
