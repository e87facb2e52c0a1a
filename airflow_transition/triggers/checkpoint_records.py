"""Wait in the triggerer until the records of all archives of a pod are in the checkpoint store."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_transition.core.errors import TemporaryError
from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook


class CheckpointRecordsTrigger(BaseTrigger):
    """Fire once every record is there; the store being away for a while is waited out.

    :param keys: S3 keys of the records.
    :param poll_interval: pause between two looks.
    """

    def __init__(
        self,
        *,
        keys: list[str],
        aws_conn_id: str,
        bucket: str,
        prefix: str,
        poll_interval: timedelta = timedelta(seconds=1),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys = keys
        self.aws_conn_id = aws_conn_id
        self.bucket = bucket
        self.prefix = prefix
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "keys": self.keys,
                "aws_conn_id": self.aws_conn_id,
                "bucket": self.bucket,
                "prefix": self.prefix,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        hook = CheckpointStoreHook(self.aws_conn_id, bucket=self.bucket, prefix=self.prefix)
        missing = list(self.keys)
        while missing:
            try:
                missing = await sync_to_async(_missing)(hook, keys=missing)
            except TemporaryError as error:
                self.log.warning("asked again: %s", error)
            if missing:
                await asyncio.sleep(self.poll_interval.total_seconds())
        yield TriggerEvent({"keys": self.keys})  # type: ignore[no-untyped-call]


def _missing(hook: CheckpointStoreHook, *, keys: list[str]) -> list[str]:
    return [key for key in keys if hook.find_record(key) is None]
