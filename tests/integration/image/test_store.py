"""The checkpoint store on a real S3: what is kept, refused, and survives a broken server."""

import hashlib
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from transition_wire.checkpoint_record import BaseImage
from transition_wire.node_facts import node_facts_key

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.restore_points import ContainerCheckpoint, RestorePoint
from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
from airflow_transition.hooks.store_errors import (
    BucketMissingError,
    ObjectChangedError,
    ObjectMissingError,
    ObjectUnreadableError,
    RestorePointConflictError,
    StoreDeniedError,
    StoreTlsError,
    StoreUnavailableError,
)
from lab.services.loopback import S3Endpoint
from tests.integration.image.conftest import NODE, Bucket, connect_s3

NOW = datetime(2026, 11, 23, 3, 4, 47, tzinfo=UTC)


@pytest.fixture
def store(bucket: Bucket) -> CheckpointStoreHook:
    """The hook on a prefix of the test's own."""
    return CheckpointStoreHook(prefix=f"{uuid.uuid4().hex}/")


def point(*, created: datetime = NOW, verified: datetime | None = None) -> RestorePoint:
    return RestorePoint(
        policy="clusterpolicy-sample",
        package="video",
        cluster="cluster1-azure",
        namespace="shop",
        workload_kind="Deployment",
        workload="video",
        pod="video-85f5b48bb5-b5dgv",
        created=created,
        containers=(
            ContainerCheckpoint(
                container="app",
                record_key="cluster1-azure/shop/video/x.tar.record.json",
                digest=f"sha256:{'d' * 64}",
                size_bytes=184320,
                image=f"registry.example/video@sha256:{'a' * 64}",
                base_image=BaseImage(name="video:1", reference="sha256:" + "b" * 64),
            ),
        ),
        node=NODE,
        verified=verified,
    )


def listed(store: CheckpointStoreHook) -> list[RestorePoint]:
    return store.list_restore_points(cluster="cluster1-azure", namespace="shop", workload="video")


def test_a_record_is_found_once_it_is_there(store: CheckpointStoreHook, bucket: Bucket) -> None:
    record = bucket.record(b"x" * 2000, pod="video-0")
    key = store.record_key(
        cluster="cluster1-azure", namespace="shop", pod="video-0", filename=record.filename
    )
    assert key == f"{store.prefix}cluster1-azure/shop/video/{record.filename}.record.json"
    assert store.find_record(key) is None
    bucket.client.put_object(Bucket=record.bucket, Key=key, Body=record.model_dump_json().encode())
    assert store.find_record(key) == record


@pytest.mark.parametrize("content", [b"{}", b"\xff", b"[1]", b'{"version": 1}', b"x" * (5 << 20)])
def test_a_document_of_another_kind_is_named(
    store: CheckpointStoreHook, bucket: Bucket, content: bytes
) -> None:
    key = f"{store.prefix}x.tar.record.json"
    bucket.client.put_object(Bucket=store.bucket, Key=key, Body=content)
    with pytest.raises(ObjectUnreadableError, match=r"x\.tar\.record\.json"):
        store.find_record(key)


def test_restore_points_come_newest_first(store: CheckpointStoreHook) -> None:
    assert listed(store) == []
    points = [point(created=NOW + timedelta(minutes=minute)) for minute in (3, 1, 2)]
    for each in points:
        store.put_restore_point(each)
    assert [each.created.minute for each in listed(store)] == [7, 6, 5]
    assert store.get_restore_point(points[0].id) == points[0]
    newest = store.list_restore_points(
        cluster="cluster1-azure", namespace="shop", workload="video", newest=1
    )
    assert newest == [points[0]]


def test_putting_a_restore_point_again_changes_nothing(store: CheckpointStoreHook) -> None:
    first = point(verified=NOW)
    key = store.put_restore_point(first)
    assert store.put_restore_point(point(verified=NOW + timedelta(seconds=9))) == key
    assert store.put_restore_point(point()) == key
    assert listed(store) == [first]


def test_a_restore_point_becomes_verified(store: CheckpointStoreHook) -> None:
    store.put_restore_point(point())
    store.put_restore_point(point(verified=NOW))
    assert listed(store) == [point(verified=NOW)]


def test_another_restore_point_of_the_same_second_is_a_conflict(
    store: CheckpointStoreHook,
) -> None:
    store.put_restore_point(point())
    with pytest.raises(RestorePointConflictError):
        store.put_restore_point(point().model_copy(update={"pod": "video-other"}))
    assert listed(store) == [point()]


def test_a_restore_point_that_cannot_be_read_does_not_hide_the_one_before(
    store: CheckpointStoreHook, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    store.put_restore_point(point())
    newer = store.put_restore_point(point(created=NOW + timedelta(minutes=1)))
    bucket.client.put_object(Bucket=store.bucket, Key=newer, Body=b"{")
    assert listed(store) == [point()]


def test_a_restore_point_that_is_not_there_is_named(store: CheckpointStoreHook) -> None:
    with pytest.raises(ObjectMissingError, match="no such restore point"):
        store.get_restore_point("restore-points/a/b/c/20260101T000000Z")


def test_node_facts_are_listed_by_cluster(store: CheckpointStoreHook, bucket: Bucket) -> None:
    for cluster, name in (("cluster1-azure", "a"), ("cluster1-azure", "b"), ("cluster2-aws", "c")):
        facts = NODE.model_copy(update={"cluster": cluster, "node": name})
        key = node_facts_key(prefix=store.prefix, cluster=cluster, node=name)
        bucket.client.put_object(
            Bucket=store.bucket, Key=key, Body=facts.model_dump_json().encode()
        )
    assert [facts.node for facts in store.list_node_facts("cluster1-azure")] == ["a", "b"]


def test_an_archive_is_read_from_anywhere(store: CheckpointStoreHook, bucket: Bucket) -> None:
    content = os.urandom(3_000_000)
    record = bucket.upload(content, pod="video-0")
    reader = store.open_archive(record)
    reader.seek(2_500_000)
    assert reader.read(1 << 20) == content[2_500_000:]
    assert reader.read(1) == b""
    reader.seek(10)
    assert reader.read(10) == content[10:20]
    reader.close()


def test_an_archive_that_is_replaced_while_it_is_read_is_noticed(
    store: CheckpointStoreHook, bucket: Bucket
) -> None:
    content = os.urandom(3_000_000)
    record = bucket.upload(content, pod="video-0")
    reader = store.open_archive(record)
    reader.read(100)
    bucket.upload(bytes(3_000_000), pod="video-0")
    reader.seek(200)
    with pytest.raises(ObjectChangedError, match="replaced while it was read"):
        reader.read(100)


def test_an_archive_of_another_size_is_noticed(store: CheckpointStoreHook, bucket: Bucket) -> None:
    record = bucket.upload(b"x" * 100, pod="video-0")
    bucket.client.put_object(Bucket=record.bucket, Key=record.stored.key, Body=b"x" * 99)
    with pytest.raises(ObjectChangedError, match="99 bytes instead of 100"):
        store.open_archive(record).read(10)


def test_an_archive_that_is_gone_is_named(store: CheckpointStoreHook, bucket: Bucket) -> None:
    record = bucket.record(b"x" * 100, pod="never-uploaded")
    with pytest.raises(ObjectMissingError, match="never-uploaded"):
        store.open_archive(record).read(10)


def test_reading_goes_on_after_the_store_was_killed(
    make_s3: Callable[[], S3Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = make_s3()
    connect_s3(monkeypatch, endpoint)
    content = os.urandom(32 << 20)
    record = Bucket(endpoint).upload(content, pod="video-0")
    reader = CheckpointStoreHook().open_archive(record)
    digest = hashlib.sha256(reader.read(1 << 20))
    endpoint.server.kill()
    endpoint.server.start()
    while chunk := reader.read(1 << 20):
        digest.update(chunk)
    assert f"sha256:{digest.hexdigest()}" == record.digest


def test_a_store_that_stays_away_is_temporary(
    bucket: Bucket, s3_server: S3Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = bucket.record(b"x" * 100, pod="video-0")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    nobody = "https://127.0.0.1:1"
    connect_s3(monkeypatch, S3Endpoint(**{**vars(s3_server), "url": nobody}))
    reader = CheckpointStoreHook().open_archive(record, patience=timedelta(seconds=1))
    with pytest.raises(StoreUnavailableError) as caught:
        reader.read(10)
    assert isinstance(caught.value, TemporaryError)


def test_wrong_keys_are_permanent_and_stay_secret(
    s3_server: S3Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, s3_server, secret_key="not-this-one")
    with pytest.raises(StoreDeniedError) as caught:
        CheckpointStoreHook().find_record("x.json")
    assert isinstance(caught.value, PermanentError)
    assert "not-this-one" not in str(caught.value)
    assert s3_server.access_key not in str(caught.value)


def test_a_bucket_that_is_not_there_is_named(bucket: Bucket) -> None:
    with pytest.raises(BucketMissingError, match="s3://nosuchbucket/"):
        CheckpointStoreHook(bucket="nosuchbucket").list_node_facts("a")
    with pytest.raises(BucketMissingError, match="s3://nosuchbucket/"):
        CheckpointStoreHook(bucket="nosuchbucket").find_record("x.json")


def test_a_certificate_that_nobody_trusts_is_permanent(
    s3_server: S3Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import certifi  # noqa: PLC0415

    connect_s3(monkeypatch, S3Endpoint(**{**vars(s3_server), "ca_file": Path(certifi.where())}))
    with pytest.raises(StoreTlsError, match="no trusted TLS connection"):
        CheckpointStoreHook().find_record("x.json")
