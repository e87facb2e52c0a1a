"""The DAG that brings a lost cluster's packages up elsewhere: plan, promote, verify."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.dag_texts import failover_text
from airflow_transition.fault_asset import fault_watch
from airflow_transition.operators.failover_end import FailoverEndOperator
from airflow_transition.operators.failover_plan import TEXT, FailoverPlanOperator
from airflow_transition.operators.failover_promote import FailoverPromoteOperator
from airflow_transition.operators.failover_verify import FailoverVerifyOperator
from airflow_transition.proposal import merge_limit
from airflow_transition.retry_policy import retrying

_STEP_LIMIT = timedelta(hours=1)
"""A backstop against a call that hangs; the hooks have their own, shorter ones."""


def failover_dag(policy: ClusterPolicy, *, shared: dict[str, Any]) -> DAG:
    """Three tasks on the critical path, for each costs its start; what ends the run is beside it.

    One run goes at a time: a second one would plan from what the first is about to change.
    """
    manual = policy.spec.failover.mode == "Manual"
    with DAG(
        dag_id=policy.failover_dag_id,
        description=f"Bring up the packages of policy {policy.name} when their cluster is lost",
        schedule=None if manual else [fault_watch(policy)],
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags={"transition", "failover", policy.name},
        params=_form(policy),
        doc_md=failover_text(policy),
        **shared,
    ) as dag:
        plan = FailoverPlanOperator(
            task_id="plan",
            policy=policy,
            cluster="{{ params.cluster }}",
            target="{{ params.target }}",
            plan_only="{{ params.dry_run }}",
            source_stopped="{{ params.source_stopped }}",
            restore_point="{{ params.restore_point }}",
            execution_timeout=_STEP_LIMIT,
        )
        promote = FailoverPromoteOperator(
            task_id="promote",
            plan=plan.output,
            execution_timeout=_STEP_LIMIT + merge_limit(policy),
        )
        verify = FailoverVerifyOperator(
            task_id="verify",
            plan=plan.output,
            promoted=promote.output,
            execution_timeout=_STEP_LIMIT,
        )
        if policy.spec.failover.mode == "Approve":
            plan >> _approval(policy) >> promote
        end = FailoverEndOperator(
            task_id="end", policy=policy, execution_timeout=_STEP_LIMIT
        ).as_teardown()
        plan >> promote >> verify >> end
    return dag


def _approval(policy: ClusterPolicy) -> Any:
    """Waits in no worker and no triggerer; what is rejected skips the rest."""
    from airflow.providers.standard.operators.hitl import (  # noqa: PLC0415 - only in this mode
        ApprovalOperator,
    )

    return ApprovalOperator(
        task_id="approve",
        subject=f"Fail over policy {policy.name}?",
        body=f"{{{{ ti.xcom_pull(task_ids='plan', key='{TEXT}') }}}}",
        **retrying({}),
    )


def _form(policy: ClusterPolicy) -> dict[str, Param]:
    """What a person is asked for; a run that an event starts takes the defaults."""
    return {
        "cluster": Param(
            None,
            type=["null", "string"],
            enum=[None, *policy.clusters],
            title="Lost cluster",
            description="Whose packages are brought up elsewhere.",
        ),
        "target": Param(
            AUTOMATIC,
            type="string",
            enum=[AUTOMATIC, *policy.clusters],
            title="Target",
            description="automatic: the cluster that takes the most packages with the most of "
            "their memory; then by weight.",
        ),
        "restore_point": Param(
            AUTOMATIC,
            type="string",
            minLength=1,
            maxLength=700,
            title="Restore point",
            description="automatic: of each package the newest verified one that the target can "
            "restore. The id of another one starts its package from that; the page Transition "
            "fills it in.",
        ),
        "dry_run": Param(
            default=False,
            type="boolean",
            title="Dry run",
            description="Ends after the plan, which shows what would be done and why.",
        ),
        "source_stopped": Param(
            default=False,
            type="boolean",
            title="I confirm that the source is stopped",
            description="Nothing of the lost cluster runs or answers any more: two copies are "
            "ruled out, whatever the other ways of fencing come to.",
        ),
    }
