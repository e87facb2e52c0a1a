"""Whether the bucket of the checkpoints answers us, and nobody else.

An archive is the memory of a process with every secret in it. So it is tried as whoever knows the
address: without credentials, to list, and to read one object that is there.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
from airflow_transition.hooks.store_errors import store_errors

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_CLIENT_ERRORS = range(400, 500)


class BucketSurvey:
    """Looks at the bucket of a checkpoint store, and writes nothing into it."""

    def __init__(self, store: CheckpointStoreHook) -> None:
        self._store = store
        self.bucket = store.bucket

    def first_key(self) -> str | None:
        """Some object below the prefix; raises if the bucket is not there, or not for us."""
        with store_errors(self._address):
            found = self._store.client.list_objects_v2(
                Bucket=self.bucket, Prefix=self._store.prefix, MaxKeys=1
            )
        return next((one["Key"] for one in found.get("Contents", ())), None)

    def open_ways(self, key: str | None) -> list[str]:
        """What anybody may do, in words; nothing where the bucket is private."""
        return list(self._open_ways(key))

    def _open_ways(self, key: str | None) -> Iterator[str]:
        anybody = self._anybody()
        with store_errors(self._address):
            if _allowed(lambda: anybody.list_objects_v2(Bucket=self.bucket, MaxKeys=1)):
                yield "list its objects"
            if key and _allowed(lambda: anybody.head_object(Bucket=self.bucket, Key=key)):
                yield "read its objects"

    def _anybody(self) -> "S3Client":
        """The store's client as it is, but that it signs nothing."""
        aws_conn_id = self._store.aws_conn_id
        own = S3Hook(aws_conn_id=aws_conn_id).conn_config.botocore_config
        unsigned = Config(signature_version=UNSIGNED)
        config = own.merge(unsigned) if own else unsigned
        client: S3Client = S3Hook(aws_conn_id=aws_conn_id, config=config).get_conn()
        return client

    @property
    def _address(self) -> str:
        return f"s3://{self.bucket}/{self._store.prefix}"


def _allowed(ask: Callable[[], object]) -> bool:
    """Any refusal is one: servers say 400, 401, 403 or 404 to whom they do not know."""
    try:
        ask()
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status in _CLIENT_ERRORS:
            return False
        raise
    return True
