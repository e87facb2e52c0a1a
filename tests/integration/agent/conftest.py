"""The agent as the process that it is on a node, in front of a real S3 server."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mypy_boto3_s3.client import S3Client
from transition_wire.checkpoint_record import CheckpointRecord

from benchmarks.relay import Relay
from lab.services.loopback import S3Endpoint
from tests.integration.s3 import s3_client

PATIENCE_SECONDS = 60
CLUSTER = "cluster1-azure"


def eventually(condition: Callable[[], Any], *, what: str) -> Any:
    """What the condition gives once it is true; fails with `what` when the patience is over."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.05)
    return found


@dataclass
class Bucket:
    """What S3 holds under one test's own prefix."""

    endpoint: S3Endpoint
    prefix: str

    @property
    def client(self) -> S3Client:
        return s3_client(self.endpoint)

    def listed(self, folder: str = CLUSTER) -> list[str]:
        """Without the prefix; only of archives and records unless told otherwise."""
        listed = self.client.list_objects_v2(
            Bucket=self.endpoint.bucket, Prefix=f"{self.prefix}{folder}/"
        )
        return [item["Key"].removeprefix(self.prefix) for item in listed.get("Contents", [])]

    def read(self, key: str) -> bytes:
        found = self.client.get_object(Bucket=self.endpoint.bucket, Key=f"{self.prefix}{key}")
        with found["Body"] as body:
            return body.read()

    def record(self, filename: str) -> CheckpointRecord | None:
        for key in self.listed():
            if key.endswith(f"/{filename}.record.json"):
                return CheckpointRecord.model_validate_json(self.read(key))
        return None

    def wait_for_record(self, filename: str) -> CheckpointRecord:
        record = eventually(lambda: self.record(filename), what=f"record of {filename}")
        assert isinstance(record, CheckpointRecord)
        return record

    def open_uploads(self) -> list[str]:
        listed = self.client.list_multipart_uploads(Bucket=self.endpoint.bucket, Prefix=self.prefix)
        return [upload["Key"] for upload in listed.get("Uploads", [])]


@dataclass
class AgentProcess:
    """One run of `transition-agent run` after the other, on the same folder."""

    folder: Path
    log_file: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self, *, inside: Sequence[str] = (), **environment: str) -> "AgentProcess":
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*inside, sys.executable, "-m", "transition_agent", "run"],
                env={**os.environ, **self.environment, **environment},
                stderr=log,
            )
        return self

    def end(self, number: signal.Signals) -> float:
        """Seconds from the signal to the end."""
        assert self.process
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(PATIENCE_SECONDS)
        return time.monotonic() - begun

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self, event: str = "") -> list[dict[str, Any]]:
        lines = self.log_file.read_text().splitlines() if self.log_file.exists() else []
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in events if line["event"].startswith(event)]

    def wait_for_log(self, event: str, *, count: int = 1) -> dict[str, Any]:
        eventually(lambda: len(self.log(event)) >= count, what=f"log line {event!r}")
        return self.log(event)[count - 1]


@pytest.fixture
def bucket(s3_server: S3Endpoint) -> Bucket:
    return Bucket(s3_server, prefix=f"{secrets.token_hex(4)}/")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return folder


@pytest.fixture
def make_agent(folder: Path, tmp_path: Path) -> Iterator[Callable[[Bucket], AgentProcess]]:
    """Agents of one folder; what still runs is ended with the test."""
    made: list[AgentProcess] = []

    def make(bucket: Bucket) -> AgentProcess:
        endpoint = bucket.endpoint
        environment = {
            "CLUSTER_NAME": CLUSTER,
            "NODE_NAME": "node-1",
            "CHECKPOINT_DIR": str(folder),
            "S3_ENDPOINT_URL": endpoint.url,
            "S3_ACCESS_KEY": endpoint.access_key,
            "S3_SECRET_KEY": endpoint.secret_key,
            "S3_BUCKET": endpoint.bucket,
            "S3_PREFIX": bucket.prefix,
            "S3_CA_FILE": str(endpoint.ca_file),
            "METRICS_ADDRESS": "off",
            "RESCAN_INTERVAL": "500ms",
        }
        made.append(AgentProcess(folder, tmp_path / f"agent-{len(made)}.log", environment))
        return made[-1]

    yield make
    for agent in made:
        if agent.running():
            agent.end(signal.SIGKILL)


@pytest.fixture
def agent(make_agent: Callable[[Bucket], AgentProcess], bucket: Bucket) -> AgentProcess:
    return make_agent(bucket)


@pytest.fixture
def relay(bucket: Bucket, agent: AgentProcess) -> Iterator[Relay]:
    """Between the agent and S3."""
    url = urlsplit(bucket.endpoint.url)
    assert url.port
    with Relay(url.port) as relay:
        agent.environment["S3_ENDPOINT_URL"] = f"https://127.0.0.1:{relay.port}"
        yield relay
