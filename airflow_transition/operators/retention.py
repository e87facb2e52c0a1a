"""Remove old restore points with all that belongs to them, and what nobody needs any more."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.links import PageLink
from airflow_transition.operators.retention_plan import RetentionPlan, RetentionSurvey
from airflow_transition.operators.retention_removal import RetentionRemoval, size_text
from airflow_transition.operators.whole_policy import whole_policy
from airflow_transition.retry_policy import retrying

_OPEN_STATES = ["running", "queued"]


class RetentionOperator(BaseOperator):
    """Keep what the policy's `retention` says, in S3 and in the registry together.

    Never removed: the newest verified restore point of a workload, pinned ones, those that a
    manifest of the policy wants, and what shares an archive or image with one that stays. While a
    transition of the policy is open nothing is removed.

    :param policy: whose restore points.
    :param plan_only: for a dry run; `True` or `False`, as a rendered parameter says it.
    :param orphan_age: what nobody needs goes only when it is older; longer than the longest
        checkpoint run and upload.
    """

    template_fields: Sequence[str] = ("plan_only",)
    operator_extra_links = (PageLink(),)
    ui_color = "#eeeeee"

    def __init__(
        self,
        *,
        policy: ClusterPolicy,
        plan_only: str = "False",
        orphan_age: timedelta = timedelta(days=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy
        self.plan_only = plan_only
        self.orphan_age = orphan_age

    def execute(self, context: Context) -> dict[str, Any]:
        now = datetime.now(UTC)
        policy = whole_policy(self.policy)
        plan = RetentionSurvey(policy, now=now, older_than=now - self.orphan_age).plan()
        why_not = self._why_not(context)
        self.log.info("%s: %s", self.policy.name, _sentence(plan, why_not=why_not))
        for line in plan.lines():
            self.log.info("%s", line)
        if why_not:
            return _result(plan, why_not=why_not)
        removal = RetentionRemoval(plan, partial(self._why_not, context))
        removal.run()
        self.log.info("gone: %s", removal)
        return _result(plan, removal=removal)

    def _why_not(self, context: Context) -> str | None:
        """Why nothing is removed now."""
        if self.plan_only == str(True):
            return "dry run"
        open_dag = self._open_transition(context)
        return f"{open_dag} has an open run" if open_dag else None

    def _open_transition(self, context: Context) -> str | None:
        """The DAG that may be about to use a restore point which no manifest names yet."""
        policy, ti = self.policy, context["ti"]
        for dag_id in (policy.migrate_dag_id, policy.failover_dag_id, policy.failback_dag_id):
            if ti.get_dr_count(dag_id=dag_id, states=_OPEN_STATES):
                return dag_id
        return None


def _sentence(plan: RetentionPlan, *, why_not: str | None) -> str:
    going = len(plan.going)
    stay = _counted(len(plan.verdicts) - going, "restore point")
    go = f"{_counted(going, 'restore point')} and {_counted(len(plan.orphans), 'orphan')}"
    size = size_text(plan.size_bytes)
    if why_not:
        return f"{stay} kept; {go} would go ({size} in S3), but nothing is removed: {why_not}"
    return f"{stay} kept, {go} removed ({size} in S3)"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _result(
    plan: RetentionPlan, *, removal: RetentionRemoval | None = None, why_not: str | None = None
) -> dict[str, Any]:
    """What went; of a run that removed nothing, what would have gone."""
    going = len(removal.removed if removal else plan.going)
    return {
        "kept": len(plan.verdicts) - going,
        "removed": going,
        "orphans": removal.orphans if removal else len(plan.orphans),
        "freed_bytes": removal.freed_bytes if removal else plan.size_bytes,
        "left_alone": len(plan.left_alone),
        "stopped": removal.stopped if removal else why_not,
    }
