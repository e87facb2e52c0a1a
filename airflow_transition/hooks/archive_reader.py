"""Reading one archive from S3 from front to end, over broken connections, without a local copy."""

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError
from transition_wire.checkpoint_record import CheckpointRecord
from urllib3.exceptions import HTTPError

from airflow_transition.hooks.store_errors import (
    ObjectChangedError,
    StoreUnavailableError,
    store_errors,
)

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client

_PAUSE = timedelta(milliseconds=250)


class ArchiveReader:
    """A bounded, seekable read of the archive that a record describes, as it is stored.

    The first answer's ETag pins the object: every later read asks for exactly that one, so bytes
    of two different objects never mix. Broken reads go on where they were, until nothing has come
    for `patience`.
    """

    def __init__(
        self,
        client: "S3Client",
        *,
        record: CheckpointRecord,
        patience: timedelta = timedelta(seconds=60),
    ) -> None:
        self._client = client
        self._record = record
        self._patience = patience
        self._where = f"s3://{record.bucket}/{record.stored.key}"
        self._offset = 0
        self._etag: str | None = None
        self._body: StreamingBody | None = None
        self._jumped = False

    def read(self, size: int, /) -> bytes:
        """Give up to `size` bytes; none at the end."""
        if self._offset >= self._record.stored.size_bytes:
            return b""
        deadline = time.monotonic() + self._patience.total_seconds()
        while True:
            try:
                with store_errors(self._where):
                    return self._read(size)
            except StoreUnavailableError:
                self._drop()
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE.total_seconds())

    def seek(self, offset: int, /) -> int:
        """Go to a byte of the archive; the read after it asks for its own bytes only.

        So a look at one place costs one small request, and the connection stays usable.
        """
        if offset != self._offset:
            self._drop()
            self._offset = offset
            self._jumped = True
        return offset

    def close(self) -> None:
        """End the request under way."""
        self._drop()

    def _read(self, size: int) -> bytes:
        if self._body is None:
            self._body = self._open(size if self._jumped else None)
        try:
            chunk = self._body.read(size)
        except (HTTPError, BotoCoreError) as error:
            # Whatever breaks a body that was under way, TLS included, is the connection's end.
            raise self._broken(str(error)) from error
        if not chunk:
            raise self._broken("the answer ended early")
        self._offset += len(chunk)
        if self._jumped:
            self._jumped = False
            self._drop()
        return chunk

    def _open(self, size: int | None) -> "StreamingBody":
        bucket, stored = self._record.bucket, self._record.stored
        last = "" if size is None else min(self._offset + size, stored.size_bytes) - 1
        span = f"bytes={self._offset}-{last}"
        if self._etag is None:
            answer = self._client.get_object(Bucket=bucket, Key=stored.key, Range=span)
        else:
            answer = self._client.get_object(
                Bucket=bucket, Key=stored.key, Range=span, IfMatch=self._etag
            )
        whole = str(self._offset + answer["ContentLength"])  # some answer 200 to a range of all
        length = answer.get("ContentRange", whole).rpartition("/")[2]
        if length != str(stored.size_bytes) or self._etag not in (None, answer["ETag"]):
            answer["Body"].close()
            raise ObjectChangedError(
                "the archive is not the one that was recorded",
                where=self._where,
                found=f"{length} bytes instead of {stored.size_bytes}",
                do="find out who writes to the bucket, and take a new checkpoint",
            )
        self._etag = answer["ETag"]
        return answer["Body"]

    def _broken(self, found: str) -> StoreUnavailableError:
        return StoreUnavailableError(
            "the store's answer broke off",
            where=self._where,
            found=f"{found[:200]} after {self._offset} bytes",
            do="look at the store if it lasts",
        )

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
