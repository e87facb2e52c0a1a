"""An archive in a real S3, and the Airflow connections of both hooks."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mypy_boto3_s3.client import S3Client
from transition_wire.archive_name import Compression, stored_key
from transition_wire.checkpoint_record import (
    ArchiveMember,
    BaseImage,
    CheckpointRecord,
    StoredArchive,
)
from transition_wire.node_facts import NodeFacts

from airflow_transition.core.checkpoint import read_archive
from airflow_transition.core.image import digest_of
from lab.services.loopback import RegistryEndpoint, S3Endpoint
from tests.integration.s3 import s3_client

ARCHIVE = next((Path(__file__).parents[2] / "fixtures" / "kubernetes-1.36").glob("*.tar"))

NODE = NodeFacts(
    cluster="cluster1-azure",
    node="node-a",
    measured=datetime(2026, 11, 23, 3, 0, tzinfo=UTC),
    kernel="6.18.5",
    architecture="x86_64",
    cpu_model="AMD EPYC",
    cpu_features=("avx2", "sse4_2"),
    xsave_size_bytes=832,
    cgroup_version=2,
    criu="4.2",
    criu_check=None,
    runc="1.5.1",
    containerd="2.3.4",
    crio=None,
    podman=None,
)


@dataclass(frozen=True)
class Bucket:
    """What the agent would do, by hand."""

    endpoint: S3Endpoint

    @property
    def client(self) -> S3Client:
        return s3_client(self.endpoint)

    def record(
        self, content: bytes, *, pod: str, frame: bytes | None = None, **changes: object
    ) -> CheckpointRecord:
        filename = f"checkpoint-{pod}_shop-app-2026-11-23T03:04:47Z.tar"
        try:
            members = read_archive_members(content)
        except Exception:  # noqa: BLE001  a hostile archive on purpose
            members = {}
        compression: Compression = "none" if frame is None else "zstd"
        key = f"cluster1-azure/shop/{pod}/{filename}"
        stored = content if frame is None else frame
        fields = {
            "cluster": "cluster1-azure",
            "namespace": "shop",
            "pod": pod,
            "container": "app",
            "filename": filename,
            "bucket": self.endpoint.bucket,
            "key": key,
            "digest": digest_of(content),
            "size_bytes": len(content),
            "stored": StoredArchive(
                key=stored_key(key, compression=compression),
                digest=digest_of(stored),
                size_bytes=len(stored),
                compression=compression,
            ),
            "created": datetime(2026, 11, 23, 3, 4, 47, tzinfo=UTC),
            "uploaded": datetime(2026, 11, 23, 3, 4, 49, tzinfo=UTC),
            "base_image": BaseImage(name="host/counter:1", reference="host/counter:1"),
            "members": members,
            "agent_version": "0.1.0",
            "node": NODE,
        }
        return CheckpointRecord(**{**fields, **changes})

    def upload(
        self, content: bytes, *, pod: str, frame: bytes | None = None, **changes: object
    ) -> CheckpointRecord:
        """Put the archive there, as it is or as this zstd frame."""
        record = self.record(content, pod=pod, frame=frame, **changes)
        body = content if frame is None else frame
        self.client.put_object(Bucket=record.bucket, Key=record.stored.key, Body=body)
        return record


def read_archive_members(content: bytes) -> dict[str, ArchiveMember]:
    import io  # noqa: PLC0415

    archive = read_archive(io.BytesIO(content), where="test")
    return {
        name: ArchiveMember(
            offset_bytes=archive.members[name].offset_bytes,
            size_bytes=archive.members[name].size_bytes,
        )
        for name in ("config.dump", "spec.dump")
    }


@pytest.fixture(scope="session")
def archive() -> bytes:
    return ARCHIVE.read_bytes()


@pytest.fixture
def bucket(s3_server: S3Endpoint, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The session's S3, also as the connection `transition_s3`."""
    connect_s3(monkeypatch, s3_server)
    return Bucket(s3_server)


def connect_s3(
    monkeypatch: pytest.MonkeyPatch, endpoint: S3Endpoint, *, secret_key: str | None = None
) -> None:
    extra = {
        "endpoint_url": endpoint.url,
        "region_name": endpoint.region,
        "verify": str(endpoint.ca_file),
    }
    connection = {
        "conn_type": "aws",
        "login": endpoint.access_key,
        "password": secret_key or endpoint.secret_key,
        "extra": extra,
    }
    monkeypatch.setenv("AIRFLOW_CONN_TRANSITION_S3", json.dumps(connection))


@pytest.fixture
def connect_registry(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def connect(endpoint: RegistryEndpoint, *, password: str | None = None, **extra: str) -> None:
        connection = {
            "conn_type": "docker",
            "host": endpoint.url,
            "login": endpoint.username,
            "password": password or endpoint.password,
            "extra": {"ca_file": str(endpoint.ca_file), "repository": "checkpoints", **extra},
        }
        monkeypatch.setenv("AIRFLOW_CONN_TRANSITION_REGISTRY", json.dumps(connection))

    return connect
