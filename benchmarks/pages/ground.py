"""A PostgreSQL with a large catalogue, and a process that serves it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from sqlalchemy import create_engine, insert, text

from airflow_transition.catalogue.tables import catalogue_metadata
from airflow_transition.catalogue.telling import tell
from airflow_transition.heartbeat import tables
from airflow_transition.heartbeat.store import Store
from benchmarks.bench import Progress
from benchmarks.pages.large_fleet import Size, large_fleet
from benchmarks.receivers.ground import known_node
from lab.airflow import free_port
from lab.services.postgresql import PostgreSql

SIZE = Size(clusters=1_000, packages=10_000, points=100_000, transitions=1_000, nodes=10)
_READY_SECONDS = 60
_MEGA = 1_000_000


@dataclass(frozen=True)
class Ground:
    """What is there when a person opens the page."""

    process: subprocess.Popen[bytes]
    port: int

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30, trust_env=False)

    def megabytes(self) -> float:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / _MEGA


@contextmanager
def ground(progress: Progress, *, size: Size = SIZE) -> Iterator[Ground]:
    progress.say("starting PostgreSQL")
    with PostgreSql() as server:
        url = server.create_database("catalogue")
        with progress.step(f"telling of {size.packages} packages, {size.points} restore points"):
            _fill(url, size=size)
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.pages.server", str(port)]
        process = subprocess.Popen(command, env={**os.environ, "PAGE_DATABASE": url})
        try:
            there = Ground(process, port)
            _wait_ready(there)
            yield there
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _fill(url: str, *, size: Size) -> None:
    engine = create_engine(url)
    catalogue_metadata.create_all(engine)
    store, now = Store(engine), datetime.now(UTC)
    for told in large_fleet(size, now=now):
        tell(store, told, now=now)
    names = [
        (f"cluster{one:04d}", f"node-{node}")
        for one in range(size.clusters)
        for node in range(size.nodes)
    ]
    with engine.begin() as connection:
        connection.execute(insert(tables.node), [known_node(*name) for name in names])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _wait_ready(there: Ground) -> None:
    end = time.monotonic() + _READY_SECONDS
    with there.client() as client:
        while time.monotonic() < end:
            try:
                if client.get("/catalogue/me").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass  # it is not listening yet
            time.sleep(0.1)
    raise RuntimeError(f"the server on port {there.port} did not answer in {_READY_SECONDS} s")
