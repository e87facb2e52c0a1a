"""Promote: claim the fault, fence the source, and have the target run the packages."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from airflow_transition import outside
from airflow_transition.core.catalogue import Told
from airflow_transition.core.claim import FAILED
from airflow_transition.core.errors import PermanentError, TransitionError
from airflow_transition.core.failover import FailoverPlan, Promoted, Transition
from airflow_transition.core.fencing import FencingDecision, FencingStep, decide_fencing
from airflow_transition.core.told_stories import told_failover
from airflow_transition.links import CommitLink, PageLink, commit_url, transition_page
from airflow_transition.operators.approval import approved_by
from airflow_transition.operators.failover_claim import FailoverClaim
from airflow_transition.operators.receiver import receiver_for
from airflow_transition.operators.source_fencing import SourceFencing
from airflow_transition.operators.target_promotion import TargetPromotion
from airflow_transition.operators.telling import tell
from airflow_transition.proposal import PullRequestWaitsError, wait_for_merge
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

if TYPE_CHECKING:
    from airflow_transition.hooks.gitops import Commit


class FencingNotConfirmedError(PermanentError):
    """Two copies could run, and the policy says to stop then."""


class FailoverPromoteOperator(BaseOperator):
    """Claim each fault of the plans, fence its source, and promote with one commit.

    A repeated attempt of the same run gets its claim again and finds its own commits. A fault that
    another run has is left alone; where limits hold it back, the task fails and nothing is touched.

    :param plan: what FailoverPlanOperator returned.
    :param claim_timeout: how long to wait for what passes by itself, such as another failover.
    :param sync_timeout: how long the target's GitOps engine may take.
    """

    template_fields: Sequence[str] = ("plan",)
    operator_extra_links = (PageLink(), CommitLink())
    ui_color = "#d5ecec"

    def __init__(
        self,
        *,
        plan: TaskValue,
        claim_timeout: timedelta = timedelta(minutes=10),
        sync_timeout: timedelta = timedelta(minutes=5),
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.plan = plan
        self.claim_timeout = claim_timeout
        self.sync_timeout = sync_timeout
        self.commit_url: str | None = None
        self.commit_sha: str | None = None
        self.page: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        return self._promote_all(context)

    def resume(self, context: Context, event: Any) -> dict[str, Any]:
        """The pull request is merged or closed: whatever was done before is found done."""
        return self._promote_all(context)

    def _promote_all(self, context: Context) -> dict[str, Any]:
        """What one fault fails at, or waits for, does not keep the others from going on."""
        planned: Mapping[str, Any] = self.plan  # type: ignore[assignment]
        done: dict[str, Any] = {}
        alone: list[str] = []
        failed: list[PermanentError] = []
        waits: list[PullRequestWaitsError] = []
        for each in planned["plans"]:
            plan = FailoverPlan.model_validate(each)
            self.page = transition_page(plan.id)
            try:
                promoted = self._promote(plan, approved_by=approved_by(context, plan=plan))
            except PermanentError as error:
                self.log.error("%s: %s", plan.id, error)  # noqa: TRY400 - the message says it all
                failed.append(error)
            except PullRequestWaitsError as waiting:
                waits.append(waiting)
            else:
                if isinstance(promoted, Promoted):
                    done[plan.id] = promoted.model_dump(mode="json")
                else:
                    alone.append(promoted)
        if waits:
            wait_for_merge(self, waits[0])
        if not done:
            raise failed[0] if failed else AirflowSkipException("; ".join(alone))
        return {"done": done, "failed": [*planned["failed"], *map(str, failed)]}

    def _promote(self, plan: FailoverPlan, *, approved_by: str | None) -> Promoted | str:
        """What was done, or why the fault is left alone."""
        receiver = receiver_for(plan)
        claim = FailoverClaim(plan, receiver, patience=self.claim_timeout)
        stopwatch = Stopwatch()
        with stopwatch.step("claim"):
            why_alone = claim.take()
        if why_alone:
            self.log.info("%s", why_alone)
            return why_alone
        try:
            promoted = self._moved(plan, claim=claim, stopwatch=stopwatch)
            promoted = promoted.model_copy(update={"approved_by": approved_by})
        except PermanentError as error:
            TargetPromotion(plan, receiver, manifests={}, sync_timeout=self.sync_timeout).withdraw()
            claim.end(f"{FAILED}: {error.what}"[:500])
            raise
        self.log.info("promoted in %s", stopwatch)
        return promoted

    def _moved(
        self, plan: FailoverPlan, *, claim: FailoverClaim, stopwatch: "Stopwatch"
    ) -> Promoted:
        source = SourceFencing(plan, claim.receiver)
        target = TargetPromotion(
            plan, claim.receiver, manifests=source.manifests, sync_timeout=self.sync_timeout
        )
        first = plan.at_once
        files: Future[dict[str, str]] = Future()
        with ThreadPoolExecutor(1) as beside:
            # The target's repository is cloned while the source is fenced; what is to be written
            # into it is only given once that is done and decided.
            pushed = beside.submit(target.commit, first, files=files.result) if first else None
            try:
                with stopwatch.step("fence"):
                    steps = source.run()
                decision = self._decide(plan, steps=steps, stopwatch=stopwatch)
                with stopwatch.step("admit"):
                    target.refuse_elsewhere()
                    target.admit()
                wanted = target.files(first)
                with stopwatch.step("confirm"):
                    claim.confirm()
                files.set_result(wanted)
            except BaseException as error:
                files.set_exception(error)
                raise
            if pushed is not None:
                with stopwatch.step("commit"):
                    commit = self._tell(pushed.result(), plan=plan)
                with stopwatch.step("sync"):
                    target.sync(first, commit=commit)
        failed = self._with_volumes(plan, target=target, claim=claim, stopwatch=stopwatch)
        return _promoted(
            steps, decision=decision, stopwatch=stopwatch, commit=self.commit_sha, failed=failed
        )

    def _with_volumes(
        self,
        plan: FailoverPlan,
        *,
        target: TargetPromotion,
        claim: FailoverClaim,
        stopwatch: "Stopwatch",
    ) -> dict[str, str]:
        """The packages that wait for their volumes, once the others are told; those that failed."""
        if not plan.after_volumes:
            return {}
        with stopwatch.step("volumes"):
            failed = target.restore_volumes()
        packages = [package for package in plan.after_volumes if package.name not in failed]
        if packages:
            wanted = target.files(packages)
            claim.confirm()
            with stopwatch.step("commit volumes"):
                commit = self._tell(target.commit(packages, files=lambda: wanted), plan=plan)
            with stopwatch.step("sync volumes"):
                target.sync(packages, commit=commit)
        return failed

    def _tell(self, commit: "Commit", *, plan: FailoverPlan) -> str:
        self.commit_sha = commit.sha
        self.commit_url = commit_url(outside.git(plan.packages[0].target).url, sha=commit.sha)
        self.log.info("commit %s (%s)", commit.sha, "new" if commit.changed else "was there")
        return commit.sha

    def _decide(
        self, plan: FailoverPlan, *, steps: Sequence[FencingStep], stopwatch: "Stopwatch"
    ) -> FencingDecision:
        for step in steps:
            self.log.info("fencing: %s", step)
        decision = decide_fencing(
            plan.names,
            steps=steps,
            policy=plan.unconfirmed,
            silent=plan.silent,
            in_part=bool(plan.nodes),
        )
        self.log.info("decision: %s", decision.text)
        if not decision.go_on:
            self._write_down(plan, _promoted(steps, decision=decision, stopwatch=stopwatch))
            raise FencingNotConfirmedError(
                decision.text,
                where=plan.id,
                found="; ".join(map(str, steps)),
                do="make sure that nothing of it runs on the lost cluster, then start this DAG by "
                "hand and say so in the form",
            )
        return decision

    def _write_down(self, plan: FailoverPlan, promoted: Promoted) -> None:
        """The last chapter where the decision was not to go on; else `verify` writes it.

        It is left to `verify` because the packages' downtime would count it here.
        """
        story = Transition(plan=plan, promoted=promoted)
        tell(lambda: Told(transitions=(told_failover(story),)))
        try:
            outside.store().put_transition(story)
        except TransitionError:
            self.log.exception("not written down")


@dataclass
class Stopwatch:
    """Step to seconds, for people and for the story of the failover."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 3)

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.seconds.items())


def _promoted(
    steps: Sequence[FencingStep],
    *,
    decision: FencingDecision,
    stopwatch: Stopwatch,
    commit: str | None = None,
    failed: Mapping[str, str] | None = None,
) -> Promoted:
    return Promoted(
        at=datetime.now(UTC),
        fencing=tuple(steps),
        decision=decision.text,
        commit=commit,
        failed=dict(failed or {}),
        seconds=stopwatch.seconds,
    )
