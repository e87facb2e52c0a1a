"""The agent's upload of a 1 GiB archive, with its digest and record, over boto3's upload_file.

Both send the same file to the same S3 server by TLS from this process, in turns. Ours is all that
the agent does from the complete archive to its record: look for it in S3, read it once with SHA-256
and CRC-32, send it, check what S3 holds, write the record. boto3's is `upload_file` with its
defaults, which computes a CRC-32 of each part and no digest.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from pydantic import SecretStr
from transition_agent.archive import Archive
from transition_agent.archives import CheckpointFolder
from transition_agent.node_facts import measure
from transition_agent.settings import AgentSettings
from transition_agent.store import CheckpointStore
from transition_agent.upload import PARTS_AT_ONCE, Uploaded, Uploader

from benchmarks.archive_file import MIB, ArchiveFile
from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from lab.services.loopback import Loopback, S3Endpoint

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

HEAP_BYTES = 1024 * MIB


@dataclass(frozen=True)
class _Spent:
    seconds: float
    cpu_seconds: float
    """Of this process."""
    server_cpu_seconds: float
    hashing_seconds: float = 0.0


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    with (
        Loopback() as loopback,
        tempfile.TemporaryDirectory(prefix="transition-bench-") as folder,
    ):
        with progress.step("starting S3"):
            endpoint = loopback.start_s3()
        with progress.step("writing a 1 GiB archive of random memory"):
            ArchiveFile(heap_bytes=HEAP_BYTES).write(Path(folder))
        (archive,) = CheckpointFolder(Path(folder)).scan().complete
        yield _rounds(archive, endpoint=endpoint)


def _rounds(archive: Archive, *, endpoint: S3Endpoint) -> Callable[[], Sample]:
    client = _boto3_client(endpoint)
    turn = 0

    def measure_round() -> Sample:
        nonlocal turn
        turn += 1
        if turn % 2:
            ours = _ours(archive, endpoint=endpoint)
            theirs = _theirs(archive, client=client, endpoint=endpoint)
        else:
            theirs = _theirs(archive, client=client, endpoint=endpoint)
            ours = _ours(archive, endpoint=endpoint)
        _empty(client, endpoint=endpoint)
        return Sample(
            ours.seconds / theirs.seconds,
            {
                "ours, s": ours.seconds,
                "boto3, s": theirs.seconds,
                "ours, CPU s": ours.cpu_seconds,
                "boto3, CPU s": theirs.cpu_seconds,
                "server's for ours, CPU s": ours.server_cpu_seconds,
                "server's for boto3, CPU s": theirs.server_cpu_seconds,
                "of ours, SHA-256 and CRC-32, s": ours.hashing_seconds,
            },
        )

    return measure_round


def _ours(archive: Archive, *, endpoint: S3Endpoint) -> _Spent:
    settings = _settings(archive, endpoint=endpoint)
    store = CheckpointStore.connect(settings, connections=PARTS_AT_ONCE + 1)
    _ = store.abilities  # the agent probes once in its life; the connection is open after it
    facts = measure(cluster="bench", node="bench", now=datetime.now(UTC))
    uploader = Uploader(
        store,
        cluster="bench",
        node_facts=lambda: facts,
        now=lambda: datetime.now(UTC),
        stop=threading.Event(),
    )
    uploads: list[Uploaded] = []
    spent = _spent(lambda: uploads.append(uploader.upload(archive)), endpoint=endpoint)
    uploader.close()
    return replace(spent, hashing_seconds=uploads[0].hashing_seconds)


def _theirs(archive: Archive, *, client: "S3Client", endpoint: S3Endpoint) -> _Spent:
    client.put_object(Bucket=endpoint.bucket, Key="warm", Body=b"up")
    return _spent(
        lambda: client.upload_file(str(archive.path), endpoint.bucket, "boto3"), endpoint=endpoint
    )


def _spent(upload: Callable[[], None], *, endpoint: S3Endpoint) -> _Spent:
    os.sync()  # else one side pays for what the other left to be written
    server, own, begun = _server_cpu(endpoint), time.process_time(), time.perf_counter()
    upload()
    return _Spent(
        seconds=time.perf_counter() - begun,
        cpu_seconds=time.process_time() - own,
        server_cpu_seconds=_server_cpu(endpoint) - server,
    )


def _server_cpu(endpoint: S3Endpoint) -> float:
    """User and system time of the server's process (fields 14 and 15 of /proc/PID/stat)."""
    status = Path(f"/proc/{endpoint.server.daemon.pid()}/stat").read_text()
    user, system = status.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _settings(archive: Archive, *, endpoint: S3Endpoint) -> AgentSettings:
    return AgentSettings(
        CLUSTER_NAME="bench",
        NODE_NAME="bench",
        CHECKPOINT_DIR=archive.path.parent,
        S3_ENDPOINT_URL=endpoint.url,
        S3_ACCESS_KEY=endpoint.access_key,
        S3_SECRET_KEY=SecretStr(endpoint.secret_key),
        S3_BUCKET=endpoint.bucket,
        S3_CA_FILE=endpoint.ca_file,
    )


def _boto3_client(endpoint: S3Endpoint) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        verify=str(endpoint.ca_file),
        config=Config(s3={"addressing_style": "path"}),
    )


def _empty(client: "S3Client", *, endpoint: S3Endpoint) -> None:
    for item in client.list_objects_v2(Bucket=endpoint.bucket).get("Contents", []):
        client.delete_object(Bucket=endpoint.bucket, Key=item["Key"])


BENCHMARK = Benchmark(unit="ratio", bar=AtMost(1.15), prepare=prepare)
