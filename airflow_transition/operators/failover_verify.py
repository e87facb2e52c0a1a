"""Verify a failover: its packages run on the target, restored rather than restarted, and Ready."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.catalogue import Told
from airflow_transition.core.claim import FAILED, RESTORED
from airflow_transition.core.errors import PermanentError, TransitionError
from airflow_transition.core.failover import (
    Ended,
    FailoverPlan,
    PackageFailover,
    Promoted,
    Transition,
)
from airflow_transition.core.manner import Manner
from airflow_transition.core.restore_points import spoken
from airflow_transition.core.told_stories import told_failover
from airflow_transition.engine_delivery import confirm
from airflow_transition.links import PageLink, transition_page
from airflow_transition.operators.at_once import at_once
from airflow_transition.operators.door import pod_call, run_quiesce
from airflow_transition.operators.failover_claim import FailoverClaim
from airflow_transition.operators.failover_fallback import FailoverFallback
from airflow_transition.operators.measuring import measure_transition
from airflow_transition.operators.receiver import receiver_for
from airflow_transition.operators.telling import AT_ONCE, PATIENT, tell
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

if TYPE_CHECKING:
    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
    from airflow_transition.hooks.cluster import ClusterHook

_SLOWEST_BYTES_PER_SECOND = 50_000_000
"""As for a planned move: 20 s for each GB on top."""
_ENGINE_PATIENCE = timedelta(seconds=30)


class FailoverIncompleteError(PermanentError):
    """Not every package runs on the target."""


class FailoverVerifyOperator(BaseOperator):
    """Wait until every package of the failovers is Ready, end their claims, and say RPO and RTO.

    It waits in the task: a deferral would cost about a second of the application's downtime.

    :param plan: what FailoverPlanOperator returned.
    :param promoted: what FailoverPromoteOperator returned.
    :param restore_timeout: five minutes, and more the larger the images are.
    """

    template_fields: Sequence[str] = ("plan", "promoted")
    operator_extra_links = (PageLink(),)
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        plan: TaskValue,
        promoted: TaskValue,
        restore_timeout: timedelta = timedelta(minutes=5),
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.plan = plan
        self.promoted = promoted
        self.restore_timeout = restore_timeout
        self.page: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        planned: Mapping[str, Any] = self.plan  # type: ignore[assignment]
        promoted: Mapping[str, Any] = self.promoted  # type: ignore[assignment]
        plans = [FailoverPlan.model_validate(each) for each in planned["plans"]]
        self.page = transition_page(plans[0].id)
        ended = {
            plan.id: self._verify(plan, story=_story(plan, promoted=promoted["done"]))
            for plan in plans
            if plan.id in promoted["done"]
        }
        failed = [end.text for end in ended.values() if end.outcome == FAILED]
        failed += promoted["failed"]
        if failed:
            raise FailoverIncompleteError(
                "the failover is not complete",
                where=", ".join(plan.id for plan in plans),
                found="; ".join(failed),
                do="cure the cause; then clear this task, or start the DAG by hand",
            )
        return {name: end.model_dump(mode="json") for name, end in ended.items()}

    def _verify(self, plan: FailoverPlan, *, story: Transition) -> Ended:
        receiver, store = receiver_for(plan), outside.store()
        self._write_down(story, store=store, patience=AT_ONCE)
        hook = outside.cluster(plan.packages[0].target)
        left = story.promoted.failed if story.promoted else {}
        fallback = FailoverFallback(plan, receiver)
        answers = at_once(
            {
                one.name: partial(self._ready, one, hook=hook, fallback=fallback)
                for one in plan.packages
                if one.name not in left
            }
        )
        errors = [one for one in answers.values() if isinstance(one, TransitionError)]
        for error in errors:
            if not isinstance(error, PermanentError):
                raise error
        plan = _as_it_runs(plan, answers=answers)
        story = story.model_copy(update={"plan": plan})
        ended = _ended(plan, errors=[*left.values(), *map(str, errors)])
        run = [one for one in plan.packages if one.name not in left]
        if run and not errors:
            self._confirm(run)
        for name, seconds in ended.rpo_seconds.items():
            self.log.info("%s: RPO %s", name, spoken(timedelta(seconds=seconds)))
        self.log.info("%s: %s", plan.id, ended.text)
        FailoverClaim(plan, receiver, patience=timedelta(0)).end(
            f"{ended.outcome}: {ended.text}"[:500]
        )
        story = story.model_copy(update={"ended": ended})
        self._write_down(story, store=store, patience=PATIENT)
        measure_transition(told_failover(story))
        return ended

    def _ready(
        self, package: PackageFailover, *, hook: "ClusterHook", fallback: FailoverFallback
    ) -> PackageFailover:
        """The package as it runs, from an older restore point where a newer one did not restore."""
        from airflow_transition.hooks.restored import OF_THE_IMAGE  # noqa: PLC0415 - heavy

        if package.manner is not Manner.LIVE:
            self._wait_ready_anew(package, hook=hook)
            return package
        runs = fallback.reached(package)
        while True:
            try:
                self._wait_ready(runs, hook=hook)
            except OF_THE_IMAGE as error:
                following = fallback.after(runs, error=error)
                if following is None:
                    raise
                runs = following
            else:
                return runs

    def _wait_ready(self, package: PackageFailover, *, hook: "ClusterHook") -> None:
        """A package that was closed by its own hook is opened."""
        larger = timedelta(seconds=package.size_bytes / _SLOWEST_BYTES_PER_SECOND)
        pod = hook.wait_restored(
            package.name,
            images=package.images,
            namespace=package.namespace,
            kind=package.workload_kind,
            timeout=self.restore_timeout + larger,
        )
        self.log.info(
            "pod %s/%s runs %s on node %s", pod.namespace, pod.name, package.name, pod.node
        )
        if package.target.quiesce and package.images:
            workload = hook.find_workload(package.name, namespace=package.namespace)
            run_quiesce(hook, workload=workload, call=package.target.quiesce.open)
        hooks = package.target.checkpoint_hooks
        if hooks and hooks.after and package.images:  # its restore point may lie between the two
            hook.run_hook(pod, pod_call(hooks.after))

    def _wait_ready_anew(self, package: PackageFailover, *, hook: "ClusterHook") -> None:
        """The same of a package without memory: all its replicas, with their own images."""
        pod = hook.wait_ready(
            package.name, namespace=package.namespace, timeout=self.restore_timeout
        )
        self.log.info("%s runs, one pod on node %s", package.name, pod.node)

    def _write_down(
        self, story: Transition, *, store: "CheckpointStoreHook", patience: timedelta
    ) -> None:
        """The next chapter; the packages run, whether it can be kept or not."""
        tell(lambda: Told(transitions=(told_failover(story),)), patience=patience)
        try:
            store.put_transition(story)
        except TransitionError:
            self.log.exception("not written down")

    def _confirm(self, packages: Sequence[PackageFailover]) -> None:
        """The packages run, whatever their engine calls them: a person reads what it says."""
        try:
            confirm([one.target for one in packages], timeout=_ENGINE_PATIENCE)
        except TransitionError as error:
            self.log.warning("the engine does not agree: %s", error)


def _story(plan: FailoverPlan, *, promoted: Mapping[str, Any]) -> Transition:
    return Transition(plan=plan, promoted=Promoted.model_validate(promoted[plan.id]))


def _as_it_runs(
    plan: FailoverPlan, *, answers: Mapping[str, PackageFailover | TransitionError]
) -> FailoverPlan:
    """With the restore points that were used in the end."""
    known = {name: one for name, one in answers.items() if isinstance(one, PackageFailover)}
    packages = tuple(known.get(one.name, one) for one in plan.packages)
    return plan.model_copy(update={"packages": packages})


def _ended(plan: FailoverPlan, *, errors: Sequence[str]) -> Ended:
    now = datetime.now(UTC)
    rto = now - plan.lost_since
    ages = {one.name: one.age(now=plan.lost_since) for one in plan.packages}
    text = (
        "; ".join(errors)
        if errors
        else f"{', '.join(ages)} on {plan.target}, RTO {rto.total_seconds():.1f} s"
    )
    return Ended(
        at=now,
        outcome=FAILED if errors else RESTORED,
        text=text,
        rto_seconds=None if errors else rto.total_seconds(),
        rpo_seconds={name: age.total_seconds() for name, age in ages.items() if age is not None},
    )
