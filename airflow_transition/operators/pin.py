"""Pin a restore point, so that retention leaves it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.links import PageLink
from airflow_transition.retry_policy import retrying


class RestorePointPinOperator(BaseOperator):
    """Keep a restore point until its pin is removed.

    The pin is an object beside the restore point; pinning again replaces who and why.

    :param restore_point: its id, as RestorePointRecordOperator returned it.
    :param why: for whoever wonders later why it is still there.
    """

    template_fields: Sequence[str] = ("restore_point", "why")
    operator_extra_links = (PageLink(),)
    ui_color = "#e8e0f2"

    def __init__(self, *, restore_point: str, why: str, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.restore_point = restore_point
        self.why = why

    def execute(self, context: Context) -> dict[str, str]:
        by = f"{context['ti'].dag_id}/{context['run_id']}"
        key = outside.store().put_pin(
            self.restore_point, by=by, why=self.why, now=datetime.now(UTC)
        )
        self.log.info("pinned %s: %s", self.restore_point, self.why)
        return {"id": self.restore_point, "key": key, "by": by}
