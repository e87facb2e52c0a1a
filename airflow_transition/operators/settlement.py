"""Look, decide, do, until one side's door is open."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from airflow_transition import outside
from airflow_transition.core.errors import TemporaryError, TransitionError
from airflow_transition.core.move import PROMOTION, MovePlan, Step, next_step
from airflow_transition.engine_delivery import take_back
from airflow_transition.operators.door import open_door
from airflow_transition.operators.move_evidence import Evidence, TaskMarks, pods_of
from airflow_transition.proposal import landed, withdraw

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5


class MoveNotSettledError(TemporaryError):
    """A door is still closed."""


@dataclass(kw_only=True)
class Settlement:
    """One attempt to settle a move; a repeated one begins from what it finds."""

    plan: MovePlan
    marks: TaskMarks
    patience: timedelta
    """How long the target may take to clean up before the source opens regardless."""
    attempt_timeout: timedelta
    shut: bool = False
    taken_back: bool = False
    """The target's engine was told of the revert."""
    unfinished: list[str] = field(default_factory=list)
    """What could not be done on the way back; the person who reads of the rollback has to."""

    def run(self) -> Step:
        """Give the step that opened a door, or that leaves it to a failover."""
        began = time.monotonic()
        while True:
            spent = timedelta(seconds=time.monotonic() - began)
            seen = Evidence(self.plan, marks=self.marks, target_shut=self.shut)
            step = next_step(seen, patient=spent < self.patience)
            log.info("next: %s", step)
            if step is Step.LEAVE:
                return step
            if self._do(step):
                return step
            if spent > self.attempt_timeout:
                raise MoveNotSettledError(
                    "a door is still closed",
                    where=self.plan.move,
                    found=f"waiting to {step}",
                    do="read the warnings above: what does not answer has to be brought back",
                )

    def _do(self, step: Step) -> bool:
        """Take a step; whether a door is open now."""
        match step:
            case Step.OPEN_TARGET:
                open_door(outside.cluster(self.plan.target), package=self.plan.opened, owner=None)
                return True
            case Step.OPEN_SOURCE:
                self._open_source()
                self._note_leftovers()
                return True
            case Step.SHUT_TARGET:
                with _tried_again(step):
                    outside.cluster(self.plan.target).close_door(pods_of(self.plan))
                    withdraw(self.plan.target, trailers=self._promotion(), run=self.plan.move)
                    self.shut = True
            case Step.REVERT_PROMOTION:
                with _tried_again(step):
                    self._revert_promotion()
            case Step.WAIT_TARGET_GONE:
                with _tried_again(step):
                    self._take_back()
        time.sleep(_PAUSE_SECONDS)
        return False

    def _open_source(self) -> None:
        """Unless the door is another run's, or none was closed."""
        from airflow_transition.hooks.door import DoorTakenError  # noqa: PLC0415 - heavy

        source = self.plan.source
        if not self.plan.holds_door:
            return
        try:
            open_door(outside.cluster(source), package=source, owner=self.plan.move)
        except DoorTakenError as error:
            log.warning("left closed: %s", error)
            self.unfinished.append(f"the door was closed by {error.found}, not by this move")

    def _revert_promotion(self) -> None:
        step = self.plan.trailers(PROMOTION)
        commit = landed(self.plan.target, step=step, trailers=self._promotion(), run=self.plan.move)
        if commit is not None:
            outside.git(self.plan.target).revert(commit)

    def _promotion(self) -> dict[str, str]:
        return self.plan.promotion_trailers(self.marks.images or {})

    def _take_back(self) -> None:
        if not self.taken_back:
            take_back(self.plan.target, namespace=self.plan.namespace)
            self.taken_back = True

    def _note_leftovers(self) -> None:
        """Say what the target may still have.

        Its door stays closed in any case: a GitOps engine that read the promotion before it was
        reverted can still start a copy.
        """
        seen = Evidence(self.plan, marks=self.marks, target_shut=self.shut)
        if seen.promotion_begun and (seen.promoted is not False or not seen.target_gone):
            self.unfinished.append(
                f"{self.plan.target.cluster} may still run a copy behind its closed door: "
                f"revert the promotion in {self.plan.target.git_conn_id} and clear this task"
            )


@contextmanager
def _tried_again(step: Step) -> Iterator[None]:
    """On the way back a failed step must not keep the source closed: the next look sees it."""
    try:
        yield
    except TransitionError as error:
        log.warning("%s: %s", step, error)
