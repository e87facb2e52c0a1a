"""End a move: open the door on the one side where the package is to run."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context, ExceptionRetryPolicy, RetryAction, RetryRule

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.move import MovePlan, Step
from airflow_transition.links import PageLink
from airflow_transition.operators.move_evidence import TaskMarks
from airflow_transition.operators.move_record import MoveEnd, record_move
from airflow_transition.operators.promotion import PROMOTING
from airflow_transition.operators.retirement import RETIRING
from airflow_transition.operators.settlement import Settlement
from airflow_transition.task_values import TaskValue


class MoveRolledBackError(PermanentError):
    """The package runs on the source as before; the run fails so that somebody looks."""


class MoveSettleOperator(BaseOperator):
    """The teardown of a move: it runs however the move went, and leaves one side open.

    It believes what repositories and clusters say rather than how far the tasks came, so it can be
    repeated at any time. Whatever fails in it is tried again; only a finished rollback ends it as
    failed, with the cause in its message.

    :param plan: what TransitionPlanOperator returned.
    :param promote_task: id of the GitPromoteOperator's task; and so on.
    :param door_task: id of the DoorCloseOperator's task: from then on the downtime is counted.
    :param patience: how long the target may take to clean up before the source opens regardless.
    :param attempt_timeout: after which one attempt ends and the next one begins.
    """

    template_fields: Sequence[str] = ("plan",)
    operator_extra_links = (PageLink(),)
    ui_color = "#dff0d8"

    def __init__(
        self,
        *,
        plan: TaskValue,
        promote_task: str,
        verify_task: str,
        retire_task: str,
        door_task: str | None = None,
        patience: timedelta = timedelta(minutes=5),
        attempt_timeout: timedelta = timedelta(minutes=10),
        **kwargs: Any,
    ) -> None:
        defaults = {
            # Nothing else opens the door again: it keeps trying for hours.
            "retries": 30,
            "retry_delay": timedelta(seconds=10),
            "retry_policy": ExceptionRetryPolicy(
                [RetryRule(MoveRolledBackError, RetryAction.FAIL)], default=RetryAction.RETRY
            ),
        }
        super().__init__(**{**defaults, **kwargs})
        self.plan = plan
        self.promote_task = promote_task
        self.verify_task = verify_task
        self.retire_task = retire_task
        self.door_task = door_task
        self.patience = patience
        self.attempt_timeout = attempt_timeout

    def execute(self, context: Context) -> dict[str, Any]:
        plan = MovePlan.model_validate(self.plan)
        marks = self._marks(context)
        settlement = Settlement(
            plan=plan, marks=marks, patience=self.patience, attempt_timeout=self.attempt_timeout
        )
        step = settlement.run()
        error = _rolled_back(settlement, step=step)
        text = error.what if error else f"{plan.source.package} is open on {plan.target.cluster}"
        end = MoveEnd(
            plan=plan, step=step, marks=marks, text=text, next_step=error.do if error else None
        )
        record_move(end, context=context, door_task=self.door_task, promote_task=self.promote_task)
        if error:
            raise error
        self.log.info("%s", text)
        return {"open": plan.target.cluster, "restored_from": dict(marks.images or {})}

    def _marks(self, context: Context) -> TaskMarks:
        """What the run's tasks left.

        A mark is set before a push and outlives a task that is cleared, so it is never missing
        where something was pushed.
        """
        ti = context["ti"]
        run_id = str(context["run_id"])
        found = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id])
        states: dict[str, str | None] = found.get(run_id, {})
        return TaskMarks(
            states=states,
            images=ti.xcom_pull(task_ids=self.promote_task, key=PROMOTING),
            retirement_begun=states.get(self.verify_task) == "success"
            or bool(ti.xcom_pull(task_ids=self.retire_task, key=RETIRING)),
            retirement_done=states.get(self.retire_task) == "success",
        )


def _rolled_back(settlement: Settlement, *, step: Step) -> MoveRolledBackError | None:
    """Why the run fails; None: the package runs on the target."""
    plan, marks = settlement.plan, settlement.marks
    if step is Step.LEAVE:
        return MoveRolledBackError(
            f"{plan.source.cluster} was lost during the move: a failover has {plan.source.package}",
            where=plan.move,
            do="look at the failover DAG of the policy; nothing is left to do here",
        )
    if step is Step.OPEN_SOURCE:
        return MoveRolledBackError(
            f"rolled back: {plan.source.package} is open on {plan.source.cluster} again",
            where=plan.move,
            found=f"task {marks.failed} failed" if marks.failed else "the run was stopped",
            do="; ".join([*settlement.unfinished, "cure the cause and start a new move"]),
        )
    return None
