"""S3, registry and archives of the image benchmarks, and our own side of them."""

import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from backports import zstd
from backports.zstd import CompressionParameter
from botocore.config import Config
from transition_wire.archive_name import ZSTD_SUFFIX, Compression, stored_key
from transition_wire.checkpoint_record import (
    ArchiveMember,
    BaseImage,
    CheckpointRecord,
    StoredArchive,
)
from transition_wire.node_facts import NodeFacts

from airflow_transition.core.checkpoint import read_archive
from benchmarks.archive_file import MIB, ArchiveFile
from benchmarks.bench import Progress
from lab.services.loopback import Loopback, RegistryEndpoint, S3Endpoint

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SIZE_MIB = int(os.environ.get("BENCH_ARCHIVE_MIB", "1024"))
"""Smaller for a trial run."""


@dataclass(frozen=True)
class Servers:
    s3: S3Endpoint
    registry: RegistryEndpoint
    folder: Path
    """For what a side has to write; removed at the end."""

    def stage(self, *, heap_mib: int, compressed: bool = False) -> CheckpointRecord:
        """Put an archive into S3, as the agent does, and give its record.

        Compressed is what compresses: the agent leaves a random heap as it is.
        """
        archive = ArchiveFile(heap_bytes=heap_mib * MIB, compressible=compressed)
        file = archive.write(self.folder)
        with file.open("rb") as content:
            found = read_archive(content, where=file.name)
        digest, size_bytes = _digest(file), file.stat().st_size
        key = f"{heap_mib}/{archive.filename}"
        if compressed:
            file = _compressed(file)
        compression: Compression = "zstd" if compressed else "none"
        stored = StoredArchive(
            key=stored_key(key, compression=compression),
            digest=_digest(file),
            size_bytes=file.stat().st_size,
            compression=compression,
        )
        record = CheckpointRecord(
            cluster="cluster1-azure",
            namespace=archive.namespace,
            pod=archive.pod,
            container=archive.container,
            filename=archive.filename,
            bucket=self.s3.bucket,
            key=key,
            digest=digest,
            size_bytes=size_bytes,
            stored=stored,
            created=archive.created,
            uploaded=archive.created,
            base_image=BaseImage(name=archive.image, reference=archive.image),
            members={
                name: ArchiveMember(offset_bytes=member.offset_bytes, size_bytes=member.size_bytes)
                for name, member in found.members.items()
                if name in ("config.dump", "spec.dump")
            },
            agent_version="0.1.0",
            node=_NODE,
        )
        self._client().upload_file(str(file), record.bucket, stored.key)
        file.unlink()
        return record

    def archive_url(self, record: CheckpointRecord) -> str:
        """An address of the archive that curl can read."""
        place = {"Bucket": record.bucket, "Key": record.key}
        return self._client().generate_presigned_url("get_object", Params=place, ExpiresIn=3600)

    def connections(self) -> dict[str, str]:
        """The Airflow connections of both hooks, as environment variables.

        Each has a new repository: it holds no blob yet, so every byte moves.
        """
        s3, registry = self.s3, self.registry
        extra = {"endpoint_url": s3.url, "region_name": s3.region, "verify": str(s3.ca_file)}
        store = {"conn_type": "aws", "login": s3.access_key, "password": s3.secret_key}
        images = {
            "conn_type": "docker",
            "host": registry.url,
            "login": registry.username,
            "password": registry.password,
            "extra": {
                "ca_file": str(registry.ca_file),
                "repository": f"bench-{secrets.token_hex(4)}",
            },
        }
        return {
            "AIRFLOW_CONN_TRANSITION_S3": json.dumps({**store, "extra": extra}),
            "AIRFLOW_CONN_TRANSITION_REGISTRY": json.dumps(images),
        }

    def _client(self) -> "S3Client":
        return boto3.client(
            "s3",
            endpoint_url=self.s3.url,
            aws_access_key_id=self.s3.access_key,
            aws_secret_access_key=self.s3.secret_key,
            region_name=self.s3.region,
            verify=str(self.s3.ca_file),
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        )


@contextmanager
def servers(progress: Progress) -> Iterator[Servers]:
    """Start both servers; they and everything written are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tb-") as folder, Loopback() as loopback:
        with progress.step("start S3 and registry"):
            running = Servers(
                s3=loopback.start_s3(), registry=loopback.start_registry(), folder=Path(folder)
            )
        os.environ.setdefault("AIRFLOW_HOME", f"{folder}/airflow")
        os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
        yield running


def settle() -> None:
    """Let the disk catch up: no side pays for what the one before it wrote."""
    os.sync()


def ours_seconds(running: Servers, record: CheckpointRecord) -> float:
    """Seconds from the archive in S3 to the image in the registry, verified."""
    # Airflow reads its configuration when it is imported, so not before the environment is set.
    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook  # noqa: PLC0415
    from airflow_transition.hooks.oci_registry import OciRegistryHook  # noqa: PLC0415

    os.environ.update(running.connections())
    settle()
    began = time.monotonic()
    archive = CheckpointStoreHook().open_archive(record)
    image = OciRegistryHook().push_checkpoint_image(record=record, archive=archive)
    seconds = time.monotonic() - began
    assert image.moved_bytes == record.stored.size_bytes
    return seconds


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"


def _compressed(file: Path) -> Path:
    """Replace a file by its one zstd frame, with the agent's own settings."""
    frame = file.with_name(file.name + ZSTD_SUFFIX)
    options: dict[int, int] = {
        CompressionParameter.compression_level: 1,
        CompressionParameter.checksum_flag: 1,
    }
    with file.open("rb") as plain, zstd.open(frame, "wb", options=options) as out:
        shutil.copyfileobj(plain, out, MIB)
    file.unlink()
    return frame


_NODE = NodeFacts(
    cluster="cluster1-azure",
    node="node-a",
    measured=datetime(2026, 11, 23, tzinfo=UTC),
    kernel="6.18",
    architecture="x86_64",
    cpu_model="",
    cpu_features=(),
    xsave_size_bytes=None,
    cgroup_version=2,
    criu="4.2",
    criu_check=None,
    runc="1.5.1",
    containerd="2.3.4",
    crio=None,
    podman=None,
)
