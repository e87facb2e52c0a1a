"""The DAGs that move a healthy package, away from where it is or back: one chain for both."""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, XComArg

from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.dag_texts import failback_text, migrate_text
from airflow_transition.operators.door import DoorCloseOperator
from airflow_transition.operators.move_checkup import MoveCheckupOperator
from airflow_transition.operators.move_settle import MoveSettleOperator
from airflow_transition.operators.plan import TransitionPlanOperator
from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator
from airflow_transition.operators.promotion import GitPromoteOperator
from airflow_transition.operators.restore_point import RestorePointRecordOperator
from airflow_transition.operators.retirement import WorkloadRetireOperator
from airflow_transition.proposal import merge_limit
from airflow_transition.sensors.workload_restored import WorkloadRestoredSensor
from airflow_transition.transfers.checkpoint_to_image import CheckpointToImageOperator

_STEP_LIMIT = timedelta(minutes=30)
_COPY_LIMIT = timedelta(hours=2)
"""Backstops against a call that hangs; the hooks have their own, shorter ones."""


def migrate_dag(policy: ClusterPolicy, *, shared: dict[str, Any]) -> DAG:
    """The planned move."""
    targets = [cluster for cluster in policy.clusters if cluster != policy.source.name]
    return _dag(
        policy,
        dag_id=policy.migrate_dag_id,
        kind="migrate",
        description=f"Move a package of {policy.source.name} to another cluster, with its memory",
        target=Param(
            AUTOMATIC,
            type="string",
            enum=[AUTOMATIC, *targets, policy.source.name],
            title="Target",
            description="automatic: the cluster with the most weight of those that can restore it.",
        ),
        text=migrate_text(policy),
        shared=shared,
    )


def failback_dag(policy: ClusterPolicy, *, shared: dict[str, Any]) -> DAG:
    """The way back: the same move with another target."""
    return _dag(
        policy,
        dag_id=policy.failback_dag_id,
        kind="failback",
        description=f"Move a package back to {policy.source.name}, with its memory",
        target=Param(
            policy.source.name,
            type="string",
            enum=list(policy.clusters),
            title="Target",
            description="Where the package belongs; it has to be healthy again.",
        ),
        text=failback_text(policy),
        shared=shared,
    )


def _dag(
    policy: ClusterPolicy,
    *,
    dag_id: str,
    kind: str,
    description: str,
    target: Param,
    text: str,
    shared: dict[str, Any],
) -> DAG:
    """A move by hand.

    It has no `dagrun_timeout`: Airflow skips even teardown tasks of a run that timed out, and the
    source's door would stay closed. Each task has its own limit instead.
    """
    with DAG(
        dag_id=dag_id,
        description=description,
        schedule=None,
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags={"transition", kind, policy.name},
        params={"package": _package(policy), "target": target, "dry_run": _dry_run()},
        default_args={"execution_timeout": _STEP_LIMIT},
        doc_md=text,
        **shared,
    ) as dag:
        _move(policy)
    return dag


def _move(policy: ClusterPolicy) -> None:
    """A chain, so that each failure is seen by `settle`, the teardown of `plan`, and by it alone.

    The doctor looks before the plan does: with no door closed yet, nobody waits for it.

    The restore point is recorded beside the chain, while the target restores: nobody waits for it
    behind a closed door.
    """
    preflight = MoveCheckupOperator(
        task_id="preflight",
        policy=policy,
        package="{{ params.package }}",
        target="{{ params.target }}",
    )
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
        task_id="record",
        policy=policy.name,
        checkpoint=checkpoint.output,
        images=image.output,
        definition=policy,
    )
    promote = GitPromoteOperator(
        task_id="promote",
        plan=plan.output,
        images=image.output,
        execution_timeout=_STEP_LIMIT + merge_limit(policy),
    )
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
        door_task="close_door",
    ).as_teardown(setups=plan, on_failure_fail_dagrun=True)
    preflight >> plan >> close_door >> checkpoint >> image >> promote >> verify >> retire >> settle
    promote >> record


def _package(policy: ClusterPolicy) -> Param:
    packages = [
        package.name for package in policy.spec.package_selectors if package.live_state_package
    ]
    if policy.finds_packages:
        return Param(
            None,
            type="string",
            minLength=1,
            examples=packages,
            title="Package",
            description="What moves, from wherever it runs now: one of these, or any other that "
            "the source's repository annotates.",
        )
    return Param(
        packages[0] if len(packages) == 1 else None,
        type="string",
        enum=packages or ["none of this policy's packages is live"],
        title="Package",
        description="What moves, from wherever it runs now.",
    )


def _dry_run() -> Param:
    return Param(
        default=False,
        type="boolean",
        title="Dry run",
        description="Ends after the plan, which shows what would be done and why.",
    )
