"""The right to move a lost cluster's packages, which the receiver gives out once."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_transition.core.claim import Claim, ClaimRefusal, ClaimRequest
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.failover import FailoverPlan
from airflow_transition.operators.lost_packages import FAILED

if TYPE_CHECKING:
    from airflow_transition.hooks.heartbeat import HeartbeatHook

log = logging.getLogger(__name__)

RESTORED = "restored"
"""How the outcome of a claim begins whose packages run on the target."""


class FailoverLimitError(PermanentError):
    """More would move at once than the policy allows: a person has to decide."""


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
        if self.plan.by_hand:
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
            approved=plan.approved,
        )

    def _end_orphans(self, receiver: "HeartbeatHook") -> None:
        """Claims of runs that ended without saying so: one run of the DAG goes at a time.

        The fences of what they brought up nowhere are set anew by this run's claim; until then the
        repository keeps the packages down.
        """
        for claim in receiver.claims(policy=self.plan.policy, is_open=True):
            if claim.run != self.plan.run:
                text = f"{FAILED}: {self.plan.run} takes over"
                log.warning("%s of %s ends: %s", claim.id, claim.run, text)
                receiver.end_claim(claim.id, outcome=text)
        for package in self.plan.packages:
            if package.stopped_by:
                receiver.lift_fence(
                    self.plan.cluster, namespace=package.namespace, package=package.name
                )

    def end(self, outcome: str) -> None:
        """Say how it ended; its packages no longer count for the limits."""
        if self.receiver is not None and self.plan.epoch is not None:
            self.receiver.end_claim(self.plan.id, outcome=outcome)
