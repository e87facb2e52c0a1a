"""Who wanted a run, or said yes to its plan: for the story that people read later."""

import logging
from typing import Any

from airflow.sdk import Context

from airflow_transition.core.failover import FailoverPlan

log = logging.getLogger(__name__)

APPROVE = "approve"
"""Id of the task that waits for a person."""


def approved_by(context: Context, *, plan: FailoverPlan) -> str | None:
    """The person's name; None where nobody was asked, or it cannot be found out."""
    if not plan.approved:
        return None
    if plan.by_hand:
        return started_by(context)
    try:
        response: Any = context["ti"].xcom_pull(task_ids=APPROVE)
        user = (response or {}).get("responded_by_user") or {}
        return user.get("name") or user.get("id")
    except Exception as error:  # noqa: BLE001 - a name for the story: no reason to stop a failover
        log.info("not known who approved: %s", error)
        return None


def started_by(context: Context) -> str | None:
    """Who started the run by hand."""
    name = getattr(context.get("dag_run"), "triggering_user_name", None)
    return str(name) if name else None
