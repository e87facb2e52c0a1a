"""End the claims of a failover's run, however the run went."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.catalogue import Told
from airflow_transition.core.claim import FAILED
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.failover import Ended
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.told_stories import told_failover
from airflow_transition.links import PageLink
from airflow_transition.operators.receiver import receiver_of
from airflow_transition.operators.telling import tell
from airflow_transition.retry_policy import retrying


class FailoverEndOperator(BaseOperator):
    """The teardown of a failover: a run that is over holds no claim open.

    Promotion and verification end their claims themselves, where they can. A worker that dies at
    its last attempt, a person who stops the run, or a temporary error that stayed leave them open:
    then they would count for the limits, and hold back the next failover.

    :param policy: the policy whose failover this is.
    """

    template_fields: Sequence[str] = ()
    operator_extra_links = (PageLink(),)
    ui_color = "#dff0d8"

    def __init__(self, *, policy: ClusterPolicy, **kwargs: Any) -> None:
        # Ten minutes: the next run of the policy waits for this one, and ends what it left.
        defaults = {"retries": 60, "retry_delay": timedelta(seconds=10)}
        super().__init__(**retrying({**defaults, **kwargs}))
        self.policy = policy

    def execute(self, context: Context) -> list[str]:
        """Ids of the claims that were still open."""
        receiver = receiver_of(self.policy)
        if receiver is None:
            return []
        run = f"{context['ti'].dag_id}/{context['run_id']}"
        claims = receiver.claims(policy=self.policy.name, is_open=True)
        left = [claim.id for claim in claims if claim.run == run]
        for claim_id in left:
            receiver.end_claim(claim_id, outcome=f"{FAILED}: its run is over")
            self.log.warning("%s was still open; its run is over", claim_id)
            self._end_story(claim_id)
        return left

    def _end_story(self, failover: str) -> None:
        """The last chapter of one that nobody else has ended."""
        try:
            story = outside.store().find_transition(failover)
            if story is None or story.ended is not None:
                return
            text = "the run ended before its packages were seen on the target"
            ended = Ended(at=datetime.now(UTC), outcome="failed", text=text)
            story = story.model_copy(update={"ended": ended})
            outside.store().put_transition(story)
            tell(lambda: Told(transitions=(told_failover(story),)))
        except TransitionError:
            self.log.exception("not written down")
