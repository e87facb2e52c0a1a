"""Seconds from an archive's last byte on the disk to the upload's first byte on the wire.

The agent runs as on a node. A relay between it and S3 sees bytes pass: the first 32 KiB after the
archive's end are the agent's questions to S3 (is there a record, an object, an open upload?), a few
kilobytes by TLS; what comes after them is the archive.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from benchmarks.archive_file import MIB, ArchiveFile
from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from benchmarks.relay import Relay
from lab.services.loopback import Loopback, S3Endpoint

HEAP_BYTES = 256 * MIB
_QUESTIONS_BYTES = 32 * 1024
_PATIENCE_SECONDS = 60.0
_CHECKPOINTS = "checkpoints"
_START = datetime(2026, 11, 23, 3, tzinfo=UTC)


@dataclass
class _Stopwatch:
    """Times of bytes that pass the relay after `begin`."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    begun: float = 0.0
    passed_bytes: int = 0
    first: float = 0.0
    body: float = 0.0

    def begin(self) -> None:
        with self.changed:
            self.begun, self.passed_bytes, self.first, self.body = time.monotonic(), 0, 0.0, 0.0

    def note(self, count: int) -> None:
        now = time.monotonic()
        with self.changed:
            self.first = self.first or now
            self.passed_bytes += count
            if self.passed_bytes > _QUESTIONS_BYTES and not self.body:
                self.body = now
                self.changed.notify_all()

    def wait(self) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: self.body, timeout=_PATIENCE_SECONDS):
                raise TimeoutError(f"no upload within {_PATIENCE_SECONDS:.0f} s")


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    watch = _Stopwatch()
    with (
        Loopback() as loopback,
        tempfile.TemporaryDirectory(prefix="transition-bench-") as folder,
    ):
        with progress.step("starting S3"):
            endpoint = loopback.start_s3()
        with (
            Relay(urlsplit(endpoint.url).port or 443, on_bytes=watch.note) as relay,
            _agent(Path(folder), endpoint=endpoint, port=relay.port) as log,
        ):
            checkpoints = Path(folder) / _CHECKPOINTS
            with progress.step("starting the agent"):
                _wait_for(log, event="node facts published")
            numbers = iter(range(1000))
            yield lambda: _round(checkpoints, number=next(numbers), watch=watch, log=log)


def _round(folder: Path, *, number: int, watch: _Stopwatch, log: Path) -> Sample:
    archive = ArchiveFile(created=_START + timedelta(minutes=number), heap_bytes=HEAP_BYTES)
    path = folder / archive.filename
    with path.open("wb", buffering=0) as out:
        _write_all_but_the_end(archive, out=out)
        time.sleep(0.5)  # the agent has looked at it, and waits
        watch.begin()
        out.write(bytes(512))
    watch.wait()
    _wait_for(log, event="archive uploaded", count=number + 1)
    path.unlink()
    return Sample(
        watch.body - watch.begun,
        {"first question to S3, s": watch.first - watch.begun},
    )


def _write_all_but_the_end(archive: ArchiveFile, *, out: BinaryIO) -> None:
    archive.write_to(out)
    out.seek(-512, os.SEEK_END)
    out.truncate()


@contextmanager
def _agent(folder: Path, *, endpoint: S3Endpoint, port: int) -> Iterator[Path]:
    log = folder / "agent.log"
    (folder / _CHECKPOINTS).mkdir()
    environment = {
        **os.environ,
        "CLUSTER_NAME": "bench",
        "NODE_NAME": "bench",
        "CHECKPOINT_DIR": str(folder / _CHECKPOINTS),
        "S3_ENDPOINT_URL": f"https://127.0.0.1:{port}",
        "S3_ACCESS_KEY": endpoint.access_key,
        "S3_SECRET_KEY": endpoint.secret_key,
        "S3_BUCKET": endpoint.bucket,
        "S3_CA_FILE": str(endpoint.ca_file),
        "METRICS_ADDRESS": "off",
    }
    command = [sys.executable, "-m", "transition_agent", "run"]
    with log.open("wb") as out, subprocess.Popen(command, env=environment, stderr=out) as agent:
        try:
            yield log
        finally:
            agent.terminate()


def _wait_for(log: Path, *, event: str, count: int = 1) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while log.read_text().count(f'"event": "{event}"') < count:
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{event!r} not within {_PATIENCE_SECONDS:.0f} s:\n{log.read_text()}"
            )
        time.sleep(0.05)


BENCHMARK = Benchmark(unit="s", bar=AtMost(0.5), prepare=prepare)
