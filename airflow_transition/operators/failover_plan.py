"""Plan a failover: look at everything, touch nothing."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from airflow_transition import outside
from airflow_transition.core.catalogue import Told, ToldPolicy
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.failover import FailoverPlan, Transition
from airflow_transition.core.fault import Fault
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.told_policy import told_policy
from airflow_transition.core.told_stories import told_failover
from airflow_transition.links import PageLink, transition_page
from airflow_transition.operators.failover_look import GIT_PATIENCE
from airflow_transition.operators.failover_planning import (
    FailoverPlanning,
    FailoverRequest,
    NothingToMoveError,
)
from airflow_transition.operators.receiver import receiver_of
from airflow_transition.operators.telling import AT_ONCE, tell
from airflow_transition.operators.whole_policy import whole_policy
from airflow_transition.retry_policy import retrying

_JUST = timedelta(seconds=10)

TEXT = "text"
"""XCom key of the plan as people read it, for an approval."""


class FailoverPlanOperator(BaseOperator):
    """Decide what becomes of the packages of lost clusters, from events or from a form.

    All events of the run are handled. What is not lost (any more), or runs nothing of the policy,
    is left alone; a run that leaves everything alone is skipped, with the reason. The plans are
    written down in the checkpoint store.

    :param policy: the policy whose packages move.
    :param cluster: the lost cluster, where a person starts the run; empty: events say it.
    :param target: name of the target cluster, or `automatic`.
    :param plan_only: for a dry run; `True` or `False`, as a rendered parameter says it.
    :param restore_point: id of the one to start its package from, or `automatic`.
    :param source_stopped: a person says that nothing runs on the lost cluster; `True` or `False`.
    """

    template_fields: Sequence[str] = (
        "cluster",
        "target",
        "plan_only",
        "source_stopped",
        "restore_point",
    )
    operator_extra_links = (PageLink(),)
    ui_color = "#fbf3d0"

    def __init__(
        self,
        *,
        policy: ClusterPolicy,
        cluster: str = "",
        target: str = AUTOMATIC,
        plan_only: str = str(False),
        source_stopped: str = str(False),
        restore_point: str = AUTOMATIC,
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy
        self.cluster = cluster
        self.target = target
        self.plan_only = plan_only
        self.source_stopped = source_stopped
        self.restore_point = restore_point
        self.page: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        receiver, store = receiver_of(self.policy), outside.store()
        policy = whole_policy(self.policy, patience=GIT_PATIENCE)
        plans: list[FailoverPlan] = []
        failed: list[TransitionError] = []
        for request in self._requests(context):
            try:
                plans.append(FailoverPlanning(policy, request, receiver, store).plan())
            except NothingToMoveError as error:
                self.log.info("nothing to move: %s", error)
                failed.append(error)
            except TransitionError as error:
                self.log.error("no plan: %s", error)  # noqa: TRY400 - the message says it all
                failed.append(error)
        if not plans:
            raise _why_nothing(failed)
        self.page = transition_page(plans[0].id)
        made = self._made(plans, failed=failed, context=context)
        if self.plan_only == str(True):
            context["ti"].xcom_push(key="return_value", value=made)
            self.log.info("dry run: nothing was touched")
            after = sorted(self.get_flat_relative_ids(upstream=False))
            raise DownstreamTasksSkipped(tasks=after)  # type: ignore[no-untyped-call]
        stories = [Transition(plan=plan) for plan in plans]
        tell(
            lambda: Told(transitions=tuple(map(told_failover, stories)), policies=(self._told(),)),
            patience=AT_ONCE,
        )
        for story in stories:
            store.put_transition(story)
        return made

    def _told(self) -> ToldPolicy:
        """Of the policy what placement needs; its packages are told by those who know them."""
        return told_policy(self.policy, now=datetime.now(UTC), packages=())

    def _made(
        self, plans: list[FailoverPlan], *, failed: list[TransitionError], context: Context
    ) -> dict[str, Any]:
        lines = [line for plan in plans for line in plan.lines()]
        for line in lines:
            self.log.info("%s", line)
        context["ti"].xcom_push(key=TEXT, value="\n".join(f"- {line}" for line in lines))
        return {
            "plans": [plan.model_dump(mode="json", exclude_none=True) for plan in plans],
            "failed": [str(error) for error in failed if not isinstance(error, NothingToMoveError)],
        }

    def _requests(self, context: Context) -> Iterator[FailoverRequest]:
        """What events tell, else what the form says; one for each cluster."""
        run_id = str(context["run_id"])
        run = f"{context['ti'].dag_id}/{run_id}"
        faults = newest_faults(context.get("triggering_asset_events") or {})
        for fault in faults:
            yield FailoverRequest(
                fault.cluster,
                run=run,
                run_id=run_id,
                epoch=fault.epoch,
                nodes=fault.nodes,
                just_seen=datetime.now(UTC) - fault.seen < _JUST,
            )
        if faults:
            return
        if self.cluster in {"", str(None)}:
            raise AirflowSkipException("no event came with this run, and no cluster was named")
        yield FailoverRequest(
            self.cluster,
            run=run,
            run_id=run_id,
            by_hand=True,
            target=self.target,
            source_stopped=self.source_stopped == str(True),
            restore_point=self.restore_point,
        )


def newest_faults(events: Any) -> list[Fault]:
    """The faults of a run's events: of each cluster the one with the highest epoch."""
    newest: dict[str, Fault] = {}
    for asset in events:
        for event in events[asset]:
            fault = Fault.model_validate(event.extra["payload"])
            known = newest.get(fault.cluster)
            if known is None or fault.epoch >= known.epoch:
                newest[fault.cluster] = fault
    return list(newest.values())


def _why_nothing(failed: Sequence[TransitionError]) -> Exception:
    """What ends the run: a failure if there is one, else that there is nothing to do."""
    for error in failed:
        if not isinstance(error, NothingToMoveError):
            return error
    return AirflowSkipException("; ".join(map(str, failed)))
