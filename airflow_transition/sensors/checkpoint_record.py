"""Wait until the node's agent has uploaded a pod's checkpoint archives."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, conf

from airflow_transition import outside
from airflow_transition.core.pod_checkpoint import PodCheckpoint
from airflow_transition.links import PageLink
from airflow_transition.retry_policy import retrying
from airflow_transition.settings import read_settings
from airflow_transition.task_values import TaskValue

_TIMEOUT = timedelta(hours=1)
_POLL_INTERVAL = timedelta(seconds=1)


class CheckpointRecordSensor(BaseSensorOperator):
    """Wait for the record of every archive; a record is written last, so its archive is complete.

    :param checkpoint: what PodCheckpointOperator returned.
    :param poll_interval: pause between two looks.
    :param deferrable: wait in the triggerer, which holds no worker slot but costs about a second.
    """

    template_fields: Sequence[str] = ("checkpoint",)
    operator_extra_links = (PageLink(),)
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        checkpoint: TaskValue,
        poll_interval: timedelta = _POLL_INTERVAL,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        defaults = {"timeout": _TIMEOUT, "poke_interval": poll_interval}
        super().__init__(**retrying({**defaults, **kwargs}))
        self.checkpoint = checkpoint
        self.poll_interval = poll_interval
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        if not self._is_deferrable() or self.poke(context):
            return super().execute(context)
        from airflow_transition.triggers.checkpoint_records import (  # noqa: PLC0415 - heavy
            CheckpointRecordsTrigger,
        )

        settings = read_settings()
        return self.defer(
            trigger=CheckpointRecordsTrigger(
                keys=self._keys(),
                aws_conn_id=settings.checkpoint_store_conn_id,
                bucket=settings.bucket,
                prefix=settings.prefix,
                poll_interval=self.poll_interval,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def poke(self, context: Context) -> bool:
        hook = outside.store()
        missing = [key for key in self._keys() if hook.find_record(key) is None]
        if missing:
            self.log.info("not uploaded yet: %s", ", ".join(missing))
        return not missing

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> None:
        self.log.info("uploaded: %s", ", ".join(event["keys"]))

    def _keys(self) -> list[str]:
        checkpoint = PodCheckpoint.model_validate(self.checkpoint)
        return list(checkpoint.record_keys(prefix=read_settings().prefix).values())

    def _is_deferrable(self) -> bool:
        if self.deferrable is None:
            return conf.getboolean("operators", "default_deferrable", fallback=False)
        return self.deferrable
