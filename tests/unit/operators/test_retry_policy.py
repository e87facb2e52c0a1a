"""The error's own word decides on a retry."""

from datetime import timedelta

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.operators.move_settle import MoveRolledBackError, MoveSettleOperator
from airflow_transition.operators.restore_point import RestorePointRecordOperator
from airflow_transition.retry_policy import TransitionRetryPolicy

HOW = {"where": "there", "do": "this"}


def test_what_a_person_must_cure_fails_at_once() -> None:
    error = PermanentError("no", **HOW)
    assert TransitionRetryPolicy().evaluate(error, 1, 5).action is RetryAction.FAIL


def test_a_temporary_error_says_when_to_come_back() -> None:
    error = TemporaryError("busy", retry_after=timedelta(seconds=42), **HOW)
    decision = TransitionRetryPolicy().evaluate(error, 1, 5)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=42))


@pytest.mark.parametrize("error", [ValueError(), AirflowNotFoundException("no connection")])
def test_anything_else_is_retried_as_the_task_says(error: Exception) -> None:
    decision = TransitionRetryPolicy().evaluate(error, 1, 5)
    assert decision.action is RetryAction.DEFAULT


def test_a_dag_may_say_otherwise() -> None:
    task = RestorePointRecordOperator(
        task_id="record", policy="p", checkpoint={}, images={}, retries=9
    )
    assert task.retries == 9


@pytest.mark.parametrize("error", [PermanentError("no", **HOW), ValueError()])
def test_settle_tries_everything_again_but_a_finished_rollback(error: Exception) -> None:
    policy = MoveSettleOperator(
        task_id="settle", plan={}, promote_task="p", verify_task="v", retire_task="r"
    ).retry_policy
    assert policy is not None
    assert policy.evaluate(error, 1, 5).action is RetryAction.RETRY
    rolled_back = MoveRolledBackError("rolled back", **HOW)
    assert policy.evaluate(rolled_back, 1, 5).action is RetryAction.FAIL
