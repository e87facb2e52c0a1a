"""The checkpoint bucket, as far as the agent needs it: objects, records, node facts, probes."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import ValidationError
from transition_wire.archive_name import ZSTD_SUFFIX, record_key
from transition_wire.checkpoint_record import CheckpointRecord
from transition_wire.node_facts import NodeFacts, node_facts_key

from transition_agent.s3_errors import StoreError, code_of, explained, status_of
from transition_agent.settings import AgentSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_RECORD_BYTES = 1 << 20
_WRONG_CRC32 = "AAAAAA=="
_NOT_THERE = frozenset({"404", "NoSuchKey", "NotFound"})
_PRECONDITION_FAILED = 412


@dataclass(frozen=True)
class Abilities:
    """What this S3 server does, found by trying: many answer 200 to what they ignore."""

    conditional_writes: bool
    crc32: bool


@dataclass(frozen=True)
class StoredObject:
    size_bytes: int
    crc32: str | None
    """As S3 keeps it: of the whole object, or of its parts with `-<count>`; None: not kept."""


@dataclass(frozen=True)
class OpenUpload:
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    initiated: datetime


class CheckpointStore:
    """All methods raise `StoreError`; each is safe to repeat, and to call from several threads."""

    def __init__(
        self, client: "S3Client", *, bucket: str, prefix: str, where: str, probe_key: str
    ) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix
        self.where = where
        self._probe_key = probe_key
        self._probing = threading.Lock()
        self._probed: Abilities | None = None

    @classmethod
    def connect(cls, settings: AgentSettings, *, connections: int) -> Self:
        """No call is made yet: S3 may be down when the agent starts."""
        secret = settings.s3_secret_key
        client: S3Client = boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            region_name=settings.s3_region,
            verify=str(settings.s3_ca_file) if settings.s3_ca_file else None,
            config=_config(settings, connections=connections),
        )
        prefix = settings.s3_prefix
        return cls(
            client,
            bucket=settings.s3_bucket,
            prefix=prefix,
            where=f"{client.meta.endpoint_url}/{settings.s3_bucket}",
            probe_key=f"{prefix}probes/{settings.cluster_name}/{settings.node_name}",
        )

    @property
    def abilities(self) -> Abilities:
        """Found out once, when S3 answers first."""
        with self._probing:
            if self._probed is None:
                self._probed = self._probe()
            return self._probed

    def _probe(self) -> Abilities:
        """Try what the uploads rely on, with one object of a few bytes that is removed again."""
        key = self._probe_key
        with explained("probing", where=self.where):
            abilities = Abilities(
                conditional_writes=self._refuses_second_write(key),
                crc32=self._refuses(key, ChecksumCRC32=_WRONG_CRC32),
            )
            with suppress(ClientError):  # a key without the right to delete leaves the few bytes
                self.client.delete_object(Bucket=self.bucket, Key=key)
        return abilities

    def _refuses_second_write(self, key: str) -> bool:
        """A probe left over by an agent that was killed counts as the first write."""
        return self._refuses(key, IfNoneMatch="*") or self._refuses(key, IfNoneMatch="*")

    def _refuses(self, key: str, **condition: Any) -> bool:
        try:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=b"probe", **condition)
        except ClientError as error:
            refused = ("PreconditionFailed", "BadDigest", "InvalidRequest", "XAmzContentChecksum")
            if code_of(error).startswith(refused) or status_of(error) == _PRECONDITION_FAILED:
                return True
            if code_of(error) == "NotImplemented":
                return False
            raise
        return False

    def find_object(self, key: str) -> StoredObject | None:
        with explained(f"looking for {key}", where=self.where):
            try:
                found = self.client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
            except ClientError as error:
                if code_of(error) in _NOT_THERE:
                    return None
                raise
        return StoredObject(found["ContentLength"], found.get("ChecksumCRC32"))

    def find_record(self, key: str) -> CheckpointRecord | None:
        """The record of the archive at `key`."""
        with explained(f"reading the record of {key}", where=self.where):
            try:
                found = self.client.get_object(Bucket=self.bucket, Key=record_key(key))
                with found["Body"] as body:
                    text = body.read(MAX_RECORD_BYTES)
            except ClientError as error:
                if code_of(error) in _NOT_THERE:
                    return None
                raise
        try:
            return CheckpointRecord.model_validate_json(text)
        except ValidationError as error:
            raise StoreError(
                f"a record that cannot be read: {error.error_count()} errors",
                where=f"{self.where}/{record_key(key)}",
                do="update the agent, or remove the record and its archive if they are damaged",
            ) from error

    def put_record(self, record: CheckpointRecord, *, only_first: bool) -> bool:
        """Write the record; False if there is one already (asked of S3 where it can tell)."""
        condition: Any = {"IfNoneMatch": "*"} if only_first else {}
        with explained(f"writing the record of {record.key}", where=self.where):
            try:
                self._put_json(record_key(record.key), record.model_dump_json(), **condition)
            except ClientError as error:
                if status_of(error) == _PRECONDITION_FAILED:
                    return False
                raise
        return True

    def put_node_facts(self, facts: NodeFacts) -> None:
        key = node_facts_key(prefix=self.prefix, cluster=facts.cluster, node=facts.node)
        with explained("writing the node's facts", where=self.where):
            self._put_json(key, facts.model_dump_json())

    def put_archive(self, key: str, body: bytearray, *, check: Mapping[str, str]) -> str:
        """A small archive, in one call; its ETag."""
        with explained(f"writing {key}", where=self.where):
            answer = self.client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=body,  # type: ignore[arg-type]  # botocore takes bytearrays
                ContentType=content_type_of(key),
                **check,  # type: ignore[arg-type]  # ChecksumCRC32 or ContentMD5
            )
        return answer["ETag"]

    def _put_json(self, key: str, text: str, **condition: Any) -> None:
        self.client.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=text.encode(),
            ContentType="application/json",
            **condition,
        )

    def open_uploads(self, prefix: str) -> Iterator[OpenUpload]:
        """Multipart uploads under a prefix, or of one key (all that MinIO can list)."""
        with explained("listing open uploads", where=self.where):
            pages = self.client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                for upload in page.get("Uploads", []):
                    yield OpenUpload(upload["Key"], upload["UploadId"], upload["Initiated"])

    def abort(self, upload: OpenUpload) -> None:
        with explained(f"aborting an upload of {upload.key}", where=self.where):
            try:
                self.client.abort_multipart_upload(
                    Bucket=self.bucket, Key=upload.key, UploadId=upload.upload_id
                )
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":  # somebody was faster
                    raise


def content_type_of(key: str) -> str:
    return "application/zstd" if key.endswith(ZSTD_SUFFIX) else "application/x-tar"


def _config(settings: AgentSettings, *, connections: int) -> Config:
    return Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=connections,
        # The one retry layer of a call; the agent's own retry is of whole archives.
        retries={"mode": "standard", "total_max_attempts": 3},
        # Checksums are given by the agent: boto3's own would read every part once more, and
        # over TLS so would signing the payload's SHA-256.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if settings.s3_endpoint_url else "auto",
            "payload_signing_enabled": not settings.encrypted,
        },
    )
