"""The checkpoint store: archives, their records, restore points and node facts in one S3 bucket."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import BaseHook
from botocore.exceptions import ClientError
from pydantic import ValidationError
from transition_wire.archive_name import archive_key, record_key
from transition_wire.checkpoint_record import CheckpointRecord
from transition_wire.model import WireModel
from transition_wire.node_facts import NodeFacts

from airflow_transition.core.pin import Pin, pin_key
from airflow_transition.core.proof import Proof, proof_key
from airflow_transition.core.restore_points import (
    RestorePoint,
    restore_point_key,
    restore_points_folder,
)
from airflow_transition.hooks.archive_reader import ArchiveReader
from airflow_transition.hooks.checkpoint_inventory import CheckpointInventory
from airflow_transition.hooks.connection import find_connection
from airflow_transition.hooks.store_errors import (
    ObjectMissingError,
    ObjectUnreadableError,
    RestorePointConflictError,
    store_errors,
)
from airflow_transition.hooks.store_objects import StoreObjects

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import PutObjectOutputTypeDef

    from airflow_transition.core.failover import Transition
    from airflow_transition.core.move_story import MoveStory

_READERS = 8
"""Small documents read at a time: a plan reads one for each node and restore point."""
_DOCUMENT_BYTES_MAX = 4 << 20
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})

_Document = TypeVar("_Document", bound=WireModel)


class CheckpointStoreHook(BaseHook):
    """Speaks to the bucket in which agents leave archives and DAGs keep restore points."""

    def __init__(
        self,
        aws_conn_id: str = "transition_s3",
        *,
        bucket: str = "checkpoints",
        prefix: str = "",
    ) -> None:
        super().__init__()
        self.aws_conn_id = aws_conn_id
        self.bucket = bucket
        self.prefix = prefix

    @cached_property
    def client(self) -> "S3Client":
        """The S3 client of the aws connection.

        Without the connection S3Hook would turn to Amazon's own S3, as whoever the worker is there.
        """
        find_connection(self.aws_conn_id, kind="aws")
        with store_errors(f"connection {self.aws_conn_id}"):
            client: S3Client = S3Hook(aws_conn_id=self.aws_conn_id).get_conn()
            return client

    @cached_property
    def inventory(self) -> CheckpointInventory:
        """Everything that is stored, to be listed and removed."""
        objects = StoreObjects(self.client, bucket=self.bucket)
        return CheckpointInventory(objects, prefix=self.prefix, read=self._find)

    def put_pin(self, restore_point_id: str, *, by: str, why: str, now: datetime) -> str:
        """Pin a restore point, so that it stays until the pin is removed; give the pin's key.

        Pinning it again replaces who and why.
        """
        self.get_restore_point(restore_point_id)
        key = pin_key(f"{self.prefix}{restore_point_id}.json")
        pin = Pin(restore_point=restore_point_id, by=by, why=why, pinned=now)
        self._replace(key, pin)
        try:
            self.get_restore_point(restore_point_id)
        except ObjectMissingError:
            # Retention asked for pins right before this one was there.
            self.inventory.objects.delete(key)
            raise
        return key

    def find_pin(self, restore_point_id: str) -> Pin | None:
        return self._find(pin_key(f"{self.prefix}{restore_point_id}.json"), Pin)

    def remove_pin(self, restore_point_id: str) -> bool:
        """Remove the pin of a restore point; False where it had none."""
        key = pin_key(f"{self.prefix}{restore_point_id}.json")
        pinned = self.inventory.objects.is_there(key)
        self.inventory.objects.delete(key)
        return pinned

    def put_proof(self, proof: Proof) -> str:
        """Mark a restore point as proven; give the proof's key. A newer proof replaces it."""
        self.get_restore_point(proof.restore_point)
        key = proof_key(f"{self.prefix}{proof.restore_point}.json")
        self._replace(key, proof)
        return key

    def find_proof(self, restore_point_id: str) -> Proof | None:
        return self._find(proof_key(f"{self.prefix}{restore_point_id}.json"), Proof)

    def record_key(self, *, cluster: str, namespace: str, pod: str, filename: str) -> str:
        """Give the key under which the agent will leave the record of this archive."""
        key = archive_key(
            prefix=self.prefix, cluster=cluster, namespace=namespace, pod=pod, filename=filename
        )
        return record_key(key)

    def find_record(self, key: str) -> CheckpointRecord | None:
        """Read the checkpoint record at `key`; None until the archive is complete in the store."""
        return self._find(key, CheckpointRecord)

    def open_archive(
        self, record: CheckpointRecord, *, patience: timedelta = timedelta(seconds=60)
    ) -> ArchiveReader:
        """Open the archive of a record for one streamed read; nothing is sent before the first."""
        return ArchiveReader(self.client, record=record, patience=patience)

    def put_restore_point(self, point: RestorePoint) -> str:
        """Keep a restore point and give its key; putting the same one again changes nothing.

        Once verified it stays so; one that differs in anything else is a conflict.
        """
        key = restore_point_key(
            prefix=self.prefix,
            cluster=point.cluster,
            namespace=point.namespace,
            workload=point.workload,
            created=point.created,
        )
        # Asked first: some stores take a conditional put and ignore its condition.
        kept = self._find(key, RestorePoint)
        if kept is None:
            if self._create(key, point):
                return key
            kept = self._find(key, RestorePoint)
        if kept is None or _unverified(kept) != _unverified(point):
            raise self._conflict(key)
        if kept.verified is None and point.verified is not None:
            self._replace(key, point)
        return key

    def get_restore_point(self, restore_point_id: str) -> RestorePoint:
        """Read one restore point by its id."""
        key = f"{self.prefix}{restore_point_id}.json"
        found = self._find(key, RestorePoint)
        if found is None:
            raise ObjectMissingError(
                "there is no such restore point",
                where=self._address(key),
                do="choose one of those that the checkpoint DAG recorded",
            )
        return found

    def list_restore_points(
        self, *, cluster: str, namespace: str, workload: str, newest: int = 20
    ) -> list[RestorePoint]:
        """Read the newest restore points of a workload, newest first.

        One that cannot be read is reported in the log and left out: it must not stand in the way
        of the one before it when a cluster is lost.
        """
        folder = restore_points_folder(
            prefix=self.prefix, cluster=cluster, namespace=namespace, workload=workload
        )
        keys = sorted(self._keys(folder), reverse=True)[:newest]
        return list(self._readable(keys, RestorePoint))

    def put_transition(self, transition: "Transition") -> None:
        """Keep the story of a failover, or its next chapter."""
        from airflow_transition.core.failover import transition_key  # noqa: PLC0415 - heavy

        key = transition_key(transition.plan.id, prefix=self.prefix)
        self._replace(key, transition)

    def find_transition(self, failover: str) -> "Transition | None":
        """The story of a failover by its id."""
        from airflow_transition.core.failover import (  # noqa: PLC0415 - heavy
            Transition,
            transition_key,
        )

        return self._find(transition_key(failover, prefix=self.prefix), Transition)

    def put_move(self, story: "MoveStory") -> None:
        """Keep the story of a planned move."""
        from airflow_transition.core.move_story import move_key  # noqa: PLC0415 - heavy

        self._replace(move_key(story.plan, prefix=self.prefix), story)

    def find_move(self, policy: str, *, move: str) -> "MoveStory | None":
        """The story of a planned move by its name."""
        from airflow_transition.core.move_story import (  # noqa: PLC0415 - heavy
            MoveStory,
            moves_folder,
        )

        return self._find(f"{moves_folder(policy, prefix=self.prefix)}{move}.json", MoveStory)

    def list_node_facts(self, cluster: str) -> list[NodeFacts]:
        """Read the newest facts of a cluster's nodes."""
        return list(self._readable(self._keys(f"{self.prefix}nodes/{cluster}/"), NodeFacts))

    def _readable(self, keys: list[str], document: type[_Document]) -> Iterator[_Document]:
        with ThreadPoolExecutor(_READERS) as readers:
            reading = [readers.submit(self._find, key, document) for key in keys]
        for each in reading:
            try:
                found = each.result()
            except ObjectUnreadableError as error:
                self.log.error("left out: %s", error)  # noqa: TRY400  the message says it all
                continue
            if found is not None:
                yield found

    def _find(self, key: str, document: type[_Document]) -> _Document | None:
        where = self._address(key)
        with store_errors(where):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=key)
            except self.client.exceptions.NoSuchKey:
                return None
            with answer["Body"] as body:
                content = body.read(_DOCUMENT_BYTES_MAX + 1)
        if len(content) > _DOCUMENT_BYTES_MAX:
            raise self._unreadable(where, f"over {_DOCUMENT_BYTES_MAX} bytes")
        try:
            return document.model_validate_json(content)
        except ValidationError as error:
            # The values stay out of the message: only which field and why.
            first = error.errors(include_input=False, include_url=False)[0]
            raise self._unreadable(where, f"{first['loc']}: {first['msg']}") from None

    def _create(self, key: str, document: WireModel) -> bool:
        """Write unless something stands there; tells whether it was written."""
        put = self._put(key, document)
        with store_errors(self._address(key)):
            try:
                put(IfNoneMatch="*")
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code")
                if code in _TAKEN:
                    return False
                if code != "NotImplemented":
                    raise
                put()  # this store knows no conditions; that the key is free was asked before
        return True

    def _replace(self, key: str, document: WireModel) -> None:
        with store_errors(self._address(key)):
            self._put(key, document)()

    def _put(self, key: str, document: WireModel) -> "partial[PutObjectOutputTypeDef]":
        return partial(
            self.client.put_object,
            Bucket=self.bucket,
            Key=key,
            Body=document.model_dump_json().encode(),
            ContentType="application/json",
        )

    def _keys(self, folder: str) -> list[str]:
        with store_errors(self._address(folder)):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=folder
            )
            return [
                item["Key"]
                for page in pages
                for item in page.get("Contents", [])
                if item["Key"].endswith(".json")
            ]

    def restore_point_namespaces(self, cluster: str) -> list[str]:
        """Those that have restore points of the cluster."""
        folder = restore_points_folder(
            prefix=self.prefix, cluster=cluster, namespace="", workload=""
        ).rstrip("/")
        with store_errors(self._address(folder)):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{folder}/", Delimiter="/"
            )
            found = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        return [prefix.rstrip("/").rpartition("/")[2] for prefix in found]

    def _address(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def _unreadable(self, where: str, found: str) -> ObjectUnreadableError:
        return ObjectUnreadableError(
            "the stored document is not one of ours",
            where=where,
            found=found[:300],
            do="use the same version of agent and provider, or remove the object",
        )

    def _conflict(self, key: str) -> RestorePointConflictError:
        return RestorePointConflictError(
            "a different restore point stands there already",
            where=self._address(key),
            do="take a new checkpoint: each second of a workload holds one restore point",
        )


def _unverified(point: RestorePoint) -> RestorePoint:
    """What makes it this restore point and no other."""
    return point.model_copy(update={"verified": None, "seconds": {}})
