"""Objects and open uploads of one bucket: listed in pages, and removed one by one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from airflow_transition.core.remains import OpenUpload, StoredObject
from airflow_transition.hooks.store_errors import store_errors

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_GONE = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})


class StoreObjects:
    """All methods can be repeated: what is gone already is no error."""

    def __init__(self, client: "S3Client", *, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def listed(self, folder: str) -> Iterator[StoredObject]:
        """Every object below `folder`, by key."""
        with store_errors(self.address(folder)):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=folder):
                for one in page.get("Contents", []):
                    yield StoredObject(one["Key"], one["Size"], one["LastModified"])

    def folders(self, folder: str) -> list[str]:
        """Names of the folders right below `folder`."""
        with store_errors(self.address(folder)):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=folder, Delimiter="/"
            )
            return [
                one["Prefix"].removeprefix(folder).rstrip("/")
                for page in pages
                for one in page.get("CommonPrefixes", [])
            ]

    def is_there(self, key: str) -> bool:
        with store_errors(self.address(key)):
            try:
                self._client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if _code(error) in _GONE:
                    return False
                raise
        return True

    def delete(self, key: str) -> None:
        """In a bucket with versions the old one stays until the bucket's own rules remove it."""
        with store_errors(self.address(key)):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def uploads(self, folder: str) -> Iterator[OpenUpload]:
        """Uploads below `folder` that were not completed; MinIO lists them by whole keys only."""
        with store_errors(self.address(folder)):
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self.bucket, Prefix=folder):
                for one in page.get("Uploads", []):
                    yield OpenUpload(one["Key"], one["UploadId"], one["Initiated"])

    def abort(self, upload: OpenUpload) -> None:
        """Remove an upload with the parts that were sent."""
        with store_errors(self.address(upload.key)):
            try:
                self._client.abort_multipart_upload(
                    Bucket=self.bucket, Key=upload.key, UploadId=upload.upload_id
                )
            except ClientError as error:
                if _code(error) not in _GONE:
                    raise

    def address(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
