"""One multipart upload: begun, or taken up where an interrupted one ended."""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError

from transition_agent.checksums import encode
from transition_agent.s3_errors import StoreError, code_of, explained
from transition_agent.store import CheckpointStore, OpenUpload, content_type_of

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run of the archive in memory, on its way."""

    number: int
    body: bytearray
    crc32: int


@dataclass(frozen=True, kw_only=True)
class SentPart:
    number: int
    etag: str
    size_bytes: int
    crc32: str | None


@dataclass(frozen=True, kw_only=True)
class MultipartUpload:
    store: CheckpointStore
    upload: OpenUpload
    crc32: bool
    """Whether S3 checks CRC-32; else each part goes with its MD5, and the ETag must be that."""
    whole_object: bool = False
    """Whether S3 has promised to check the CRC-32 of the whole object when it is completed."""
    there: Mapping[int, SentPart] = field(default_factory=dict)
    """Parts that an interrupted upload has left."""

    @classmethod
    def resume_or_begin(cls, store: CheckpointStore, key: str, *, crc32: bool) -> Self:
        """The newest open upload of this key goes on; older ones are aborted."""
        open_uploads = [upload for upload in store.open_uploads(key) if upload.key == key]
        open_uploads.sort(key=lambda upload: upload.initiated)
        for older in open_uploads[:-1]:
            store.abort(older)
        if open_uploads:
            with suppress(_Gone):
                there = _parts(store, open_uploads[-1])
                return cls(store=store, upload=open_uploads[-1], crc32=crc32, there=there)
        return cls.begin(store, key, crc32=crc32)

    @classmethod
    def begin(cls, store: CheckpointStore, key: str, *, crc32: bool) -> Self:
        kind: Any = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"} if crc32 else {}
        with explained(f"beginning {key}", where=store.where):
            begun = store.client.create_multipart_upload(
                Bucket=store.bucket, Key=key, ContentType=content_type_of(key), **kind
            )
        return cls(
            store=store,
            upload=OpenUpload(key, begun["UploadId"], datetime.now(UTC)),
            crc32=crc32,
            whole_object=begun.get("ChecksumType") == "FULL_OBJECT",
        )

    def find(self, part: Part) -> SentPart | None:
        """The same part, if S3 has it already."""
        there = self.there.get(part.number)
        if there is None or there.size_bytes != len(part.body):
            return None
        if there.crc32 is not None:
            return there if there.crc32 == encode(part.crc32) else None
        same = there.etag.strip('"') == _md5(part.body).hex()
        return self._sent(part, etag=there.etag) if same else None

    def send(self, part: Part) -> SentPart:
        """Send one part; S3 refuses it if it comes to other bytes than these."""
        check = check_of(part, crc32=self.crc32)
        with explained(f"sending part {part.number} of {self.upload.key}", where=self.store.where):
            answer = self.store.client.upload_part(
                **self._address,
                PartNumber=part.number,
                Body=part.body,  # type: ignore[arg-type]  # botocore takes bytearrays
                **check,
            )
        if not agrees(answer["ETag"], check=check):
            raise came_to_others(self.upload.key, where=self.store.where)
        return self._sent(part, etag=answer["ETag"])

    def _sent(self, part: Part, *, etag: str) -> SentPart:
        crc32 = encode(part.crc32) if self.crc32 else None
        return SentPart(number=part.number, etag=etag, size_bytes=len(part.body), crc32=crc32)

    def complete(self, parts: list[SentPart], *, crc32: int) -> None:
        whole: Any = {}
        if self.whole_object:
            whole = {"ChecksumCRC32": encode(crc32), "ChecksumType": "FULL_OBJECT"}
        named = [_completed(part) for part in sorted(parts, key=lambda part: part.number)]
        with explained(f"completing {self.upload.key}", where=self.store.where):
            try:
                self.store.client.complete_multipart_upload(
                    **self._address, MultipartUpload={"Parts": named}, **whole
                )
            except ClientError as error:
                if code_of(error) in ("BadDigest", "InvalidPart"):
                    self.abort()
                raise

    def abort(self) -> None:
        self.store.abort(self.upload)

    @property
    def _address(self) -> dict[str, Any]:
        return {
            "Bucket": self.store.bucket,
            "Key": self.upload.key,
            "UploadId": self.upload.upload_id,
        }


class _Gone(Exception):  # noqa: N818 - a signal inside of this module
    """The upload was completed or aborted since it was listed."""


def _parts(store: CheckpointStore, upload: OpenUpload) -> dict[int, SentPart]:
    with explained(f"listing the parts of {upload.key}", where=store.where):
        try:
            pages = store.client.get_paginator("list_parts").paginate(
                Bucket=store.bucket, Key=upload.key, UploadId=upload.upload_id
            )
            parts = [part for page in pages for part in page.get("Parts", [])]
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                raise _Gone from error
            raise
    return {
        part["PartNumber"]: SentPart(
            number=part["PartNumber"],
            etag=part["ETag"],
            size_bytes=part["Size"],
            crc32=part.get("ChecksumCRC32"),
        )
        for part in parts
    }


def check_of(part: Part, *, crc32: bool) -> dict[str, Any]:
    """The checksum that goes with a body: S3 refuses the body if it is not of these bytes."""
    if crc32:
        return {"ChecksumCRC32": encode(part.crc32)}
    return {"ContentMD5": base64.b64encode(_md5(part.body)).decode("ascii")}


def agrees(etag: str, *, check: Mapping[str, str]) -> bool:
    """Some servers accept a Content-MD5 that they never look at: their ETag tells."""
    md5 = check.get("ContentMD5")
    return md5 is None or etag.strip('"') == base64.b64decode(md5).hex()


def came_to_others(key: str, *, where: str) -> StoreError:
    return StoreError(
        "S3 holds other bytes than were sent",
        where=f"{where}/{key}",
        do="it is sent again; look at the server's log and its disks",
    )


def _completed(part: SentPart) -> "CompletedPartTypeDef":
    named: CompletedPartTypeDef = {"PartNumber": part.number, "ETag": part.etag}
    if part.crc32 is not None:
        named["ChecksumCRC32"] = part.crc32
    return named


def _md5(body: bytearray) -> bytes:
    """S3's ETag of a part; a check of transport, not of identity."""
    return hashlib.md5(body, usedforsecurity=False).digest()
