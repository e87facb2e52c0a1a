"""The right to move a lost cluster's packages, which the receiver gives out once."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_transition.core.claim import FAILED, RESTORED, Claim, ClaimRefusal, ClaimRequest
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.failover import FailoverPlan

if TYPE_CHECKING:
    from airflow_transition.hooks.heartbeat import HeartbeatHook

log = logging.getLogger(__name__)


class FailoverLimitError(PermanentError):
    """More would move at once than the policy allows: a person has to decide."""


class ClaimLostError(PermanentError):
    """Another run has taken the failover over, or a person has lifted its fences."""


@dataclass
class FailoverClaim:
    """A plan's claim; without a receiver nobody else is kept away."""

    plan: FailoverPlan
    receiver: "HeartbeatHook | None"
    patience: timedelta
    """For what passes by itself, such as another failover that has to end first."""

    def take(self) -> str | None:
        """None: this run has it; else why the fault is left alone."""
        if self.receiver is None or self.plan.epoch is None:
            return None
        self._end_orphans(self.receiver)
        answer = self._ask(self.receiver)
        if isinstance(answer, Claim):
            log.info("claim %s", answer.id)
            ended = (answer.outcome or "").startswith(RESTORED)
            return f"{answer.id} has ended: {answer.outcome}" if ended else None
        if answer.reason == "limit":
            raise FailoverLimitError(
                "more would move than the policy's limits allow",
                where=self.plan.id,
                found=answer.text,
                do="if the cluster is really lost, start this DAG by hand: a person's word "
                "overrides the limits",
            )
        return f"{self.plan.id} is left alone ({answer.reason}): {answer.text}"

    def confirm(self) -> None:
        """Right before the target is told: whoever was paused since the claim must not go on."""
        if self.receiver is None or self.plan.epoch is None:
            return
        answer = self.receiver.claim(self.plan.cluster, self._request())
        if isinstance(answer, ClaimRefusal):
            raise ClaimLostError(
                "the failover is not this run's any more: the target was not told to start it",
                where=self.plan.id,
                found=answer.text,
                do="look at the newest run of this DAG; nothing is left to do here",
            )

    def _ask(self, receiver: "HeartbeatHook") -> Claim | ClaimRefusal:
        deadline = time.monotonic() + self.patience.total_seconds()
        while True:
            answer = receiver.claim(self.plan.cluster, self._request())
            if isinstance(answer, Claim) or answer.retry_seconds is None:
                return answer
            if time.monotonic() + answer.retry_seconds > deadline:
                return answer
            log.info("not yet: %s", answer.text)
            time.sleep(answer.retry_seconds)

    def _request(self) -> ClaimRequest:
        plan = self.plan
        if plan.epoch is None:
            raise ValueError("without a receiver there is no claim")
        return ClaimRequest(
            policy=plan.policy,
            epoch=plan.epoch,
            run=plan.run,
            packages=tuple(package.pods for package in plan.packages),
            grace_seconds=plan.grace_seconds,
            limits=plan.limits,
            takes_over=tuple(sorted({one.stopped_by for one in plan.packages if one.stopped_by})),
            approved=plan.approved,
        )

    def _end_orphans(self, receiver: "HeartbeatHook") -> None:
        """Claims of runs that ended without saying so: one run of the DAG goes at a time.

        Their fences stay until the claim of this run takes them over.
        """
        for claim in receiver.claims(policy=self.plan.policy, is_open=True):
            same_fault = (claim.cluster, claim.epoch) == (self.plan.cluster, self.plan.epoch)
            if claim.run != self.plan.run and not same_fault:
                text = f"{FAILED}: its run is over, and {self.plan.run} goes on"
                log.warning("%s of %s ends: %s", claim.id, claim.run, text)
                receiver.end_claim(claim.id, outcome=text)

    def end(self, outcome: str) -> None:
        """Say how it ended; its packages no longer count for the limits."""
        if self.receiver is not None and self.plan.epoch is not None:
            self.receiver.end_claim(self.plan.id, outcome=outcome)
