"""The DAG that moves a healthy package without its memory: its volumes, or nothing of its state."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.dag_texts import redeploy_text
from airflow_transition.operators.move_settle import MoveSettleOperator
from airflow_transition.operators.redeploy_plan import RedeployPlanOperator
from airflow_transition.operators.redeploy_steps import (
    RedeployDoorOperator,
    RedeployPromoteOperator,
    RedeployRetireOperator,
    RedeployVerifyOperator,
)
from airflow_transition.operators.volumes import VolumesMoveOperator
from airflow_transition.proposal import merge_limit

_STEP_LIMIT = timedelta(minutes=30)


def redeploy_dag(policy: ClusterPolicy, *, shared: dict[str, Any]) -> DAG:
    """By hand, in either direction; the chain and its end are those of a move with memory.

    It has no `dagrun_timeout`: Airflow skips even teardown tasks of a run that timed out, and the
    source's door would stay closed. Each task has its own limit instead.
    """
    with DAG(
        dag_id=policy.redeploy_dag_id,
        description="Move a package that has no live state to another cluster, or back",
        schedule=None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags={"transition", "redeploy", policy.name},
        params=_form(policy),
        default_args={"execution_timeout": _STEP_LIMIT},
        doc_md=redeploy_text(policy),
        **shared,
    ) as dag:
        _move(policy)
    return dag


def _move(policy: ClusterPolicy) -> None:
    plan = RedeployPlanOperator(
        task_id="plan",
        policy=policy,
        package="{{ params.package }}",
        target="{{ params.target }}",
        plan_only="{{ params.dry_run }}",
        source_lost="{{ params.source_lost }}",
    )
    close_door = RedeployDoorOperator(task_id="close_door", plan=plan.output)
    volumes = VolumesMoveOperator(
        task_id="volumes",
        plan=plan.output,
        door=close_door.output,
        execution_timeout=_longest(policy),
    )
    promote = RedeployPromoteOperator(
        task_id="promote",
        plan=plan.output,
        execution_timeout=_STEP_LIMIT + merge_limit(policy),
    )
    verify = RedeployVerifyOperator(task_id="verify", plan=plan.output)
    retire = RedeployRetireOperator(task_id="retire", plan=plan.output, door=close_door.output)
    settle = MoveSettleOperator(
        task_id="settle",
        plan=plan.output,
        promote_task="promote",
        verify_task="verify",
        retire_task="retire",
    ).as_teardown(setups=plan, on_failure_fail_dagrun=True)
    plan >> close_door >> volumes >> promote >> verify >> retire >> settle


def _longest(policy: ClusterPolicy) -> timedelta:
    """One backup, its way to the target, and one restore, each with its own limit."""
    return 3 * policy.spec.velero.timeout + _STEP_LIMIT


def _form(policy: ClusterPolicy) -> dict[str, Param]:
    packages = [one.name for one in policy.spec.package_selectors if not one.live_state_package]
    return {
        "package": Param(
            packages[0] if len(packages) == 1 else None,
            type="string",
            enum=packages,
            title="Package",
            description="What moves, from wherever it runs now.",
        ),
        "target": Param(
            AUTOMATIC,
            type="string",
            enum=[AUTOMATIC, *policy.clusters],
            title="Target",
            description="automatic: the cluster with the most weight of those that can take it.",
        ),
        "source_lost": Param(
            default=False,
            type="boolean",
            title="The source's control plane is gone",
            description="Volumes then move as their newest backup has them; what came after it is "
            "given up.",
        ),
        "dry_run": Param(
            default=False,
            type="boolean",
            title="Dry run",
            description="Ends after the plan, which shows what would be done and why.",
        ),
    }
