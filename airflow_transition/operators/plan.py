"""Plan a move: look at everything, touch nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import DownstreamTasksSkipped

from airflow_transition.core.catalogue import Told
from airflow_transition.core.move import MovePlan
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.told_policy import told_policy
from airflow_transition.core.told_stories import told_planned_move
from airflow_transition.links import PageLink
from airflow_transition.operators.approval import started_by
from airflow_transition.operators.preflight import Preflight
from airflow_transition.operators.telling import tell
from airflow_transition.operators.whole_policy import whole_policy
from airflow_transition.retry_policy import retrying


class TransitionPlanOperator(BaseOperator):
    """Decide what a move will do, and refuse what cannot go well while the door is still open.

    A dry run ends here: the tasks after it are skipped. `source` and `target` are XComs of their
    own, for tasks that need only one side.

    :param policy: the policy whose package moves.
    :param package: name of the package.
    :param target: name of the target cluster, or `automatic`.
    :param plan_only: for a dry run; `True` or `False`, as a rendered parameter says it.
    """

    template_fields: Sequence[str] = ("package", "target", "plan_only")
    operator_extra_links = (PageLink(),)
    ui_color = "#fbf3d0"

    def __init__(
        self, *, policy: ClusterPolicy, package: str, target: str, plan_only: str, **kwargs: Any
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy
        self.package = package
        self.target = target
        self.plan_only = plan_only

    def execute(self, context: Context) -> dict[str, Any]:
        ti = context["ti"]
        preflight = Preflight(whole_policy(self.policy), package=self.package, target=self.target)
        plan = preflight.plan(move=f"{ti.dag_id}/{context['run_id']}")
        for line in plan.lines():
            self.log.info("%s", line)
        made: dict[str, Any] = plan.model_dump(mode="json", exclude_none=True)
        ti.xcom_push(key="source", value=plan.source.as_json())
        ti.xcom_push(key="target", value=plan.target.as_json())
        if self.plan_only == str(True):
            ti.xcom_push(key="return_value", value=made)
            self.log.info("dry run: nothing was touched")
            after = sorted(self.get_flat_relative_ids(upstream=False))
            raise DownstreamTasksSkipped(tasks=after)  # type: ignore[no-untyped-call]
        tell(lambda: self._told(plan, context=context))
        return made

    def _told(self, plan: MovePlan, *, context: Context) -> Told:
        """That the move is under way, and what the policy says of placement."""
        now = datetime.now(UTC)
        story = told_planned_move(plan, began=now, started_by=started_by(context))
        return Told(
            transitions=(story,), policies=(told_policy(self.policy, now=now, packages=()),)
        )
