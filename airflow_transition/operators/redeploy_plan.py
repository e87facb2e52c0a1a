"""Plan the move of a package without live state: look at everything, touch nothing."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import DownstreamTasksSkipped

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.links import PageLink
from airflow_transition.operators.redeploy_preflight import RedeployPreflight
from airflow_transition.retry_policy import retrying


class RedeployPlanOperator(BaseOperator):
    """Decide where the package goes and what comes along; a dry run ends here.

    The source's API server need not answer: what the package is stands in its repository.

    :param policy: the policy whose package moves.
    :param package: name of the package.
    :param target: name of the target cluster, or `automatic`.
    :param plan_only: for a dry run; `True` or `False`, as a rendered parameter says it.
    :param source_lost: a person says that the source's control plane is gone, so that what its
        volumes hold since their newest backup is given up; `True` or `False`.
    """

    template_fields: Sequence[str] = ("package", "target", "plan_only", "source_lost")
    operator_extra_links = (PageLink(),)
    ui_color = "#fbf3d0"

    def __init__(
        self,
        *,
        policy: ClusterPolicy,
        package: str,
        target: str,
        plan_only: str,
        source_lost: str = str(False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy
        self.package = package
        self.target = target
        self.plan_only = plan_only
        self.source_lost = source_lost

    def execute(self, context: Context) -> dict[str, Any]:
        ti = context["ti"]
        preflight = RedeployPreflight(
            self.policy,
            package=self.package,
            target=self.target,
            source_lost=self.source_lost == str(True),
        )
        plan = preflight.plan(move=f"{ti.dag_id}/{context['run_id']}")
        for line in plan.lines():
            self.log.info("%s", line)
        made: dict[str, Any] = plan.model_dump(mode="json", exclude_none=True)
        if self.plan_only == str(True):
            ti.xcom_push(key="return_value", value=made)
            self.log.info("dry run: nothing was touched")
            after = sorted(self.get_flat_relative_ids(upstream=False))
            raise DownstreamTasksSkipped(tasks=after)  # type: ignore[no-untyped-call]
        return made
