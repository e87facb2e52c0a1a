"""How tasks of this provider are retried: the error's own word decides."""

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryDecision, RetryRule

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.metrics import FAILURES, count

_RETRIES = 5
_DELAY = timedelta(seconds=5)


class TransitionRetryPolicy(ExceptionRetryPolicy):
    """A permanent error fails the task at once, a temporary one says when to come back.

    Anything else is tried again as the task says. So is a missing connection: Airflow says the same
    where its own API server is away for a moment.
    """

    def __init__(self) -> None:
        super().__init__(
            rules=[
                RetryRule(PermanentError, RetryAction.FAIL, reason="a person must act"),
                RetryRule(TemporaryError, RetryAction.RETRY, reason="it may succeed later"),
            ]
        )

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Any = None,
    ) -> RetryDecision:
        lasting = str(isinstance(exception, PermanentError)).lower()
        count(FAILURES, error=type(exception).__name__, lasting=lasting)
        if isinstance(exception, TemporaryError):
            return RetryDecision.retry(delay=exception.retry_after, reason=exception.what)
        return super().evaluate(exception, try_number, max_tries, context)


def retrying(arguments: dict[str, Any]) -> dict[str, Any]:
    """An operator's arguments with this provider's retries, where the DAG says nothing else.

    At least one retry is needed everywhere: a worker can be lost at any moment, and a deferred task
    is now and then marked failed by mistake.
    """
    defaults = {
        "retries": _RETRIES,
        "retry_delay": _DELAY,
        "retry_policy": TransitionRetryPolicy(),
    }
    return {**defaults, **arguments}
