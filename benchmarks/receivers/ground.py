"""A PostgreSQL with 50,000 nodes and their tokens, and the receiver as `airflow` starts it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests
from sqlalchemy import Engine, create_engine, func, insert, select, text

from airflow_transition.heartbeat import tables
from airflow_transition.heartbeat.token import digest_of, new_id, new_secret
from lab.airflow import free_port
from lab.services.postgresql import PostgreSql

NODES, NODES_OF_A_CLUSTER = 50_000, 100
_NO_BOOT = "00000000-0000-4000-8000-000000000000"
_READY_SECONDS = 60
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What is there when the load begins."""

    engine: Engine
    process: subprocess.Popen[bytes]
    port: int
    names: list[tuple[str, str]]
    tokens: list[str]
    reader: str

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * _PAGE_BYTES

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def others_cpu_seconds(self) -> float:
        """Of the whole machine without the receiver: PostgreSQL, the agents, and all the rest."""
        fields = [
            int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        ]
        busy = sum(fields[:8]) - fields[3] - fields[4]  # all but idle and waiting for disks
        return busy / os.sysconf("SC_CLK_TCK") - self.cpu_seconds()

    def commits(self) -> int:
        """Of all transactions, reads too, as the database itself counts them."""
        question = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        with self.engine.connect() as connection:
            return int(connection.execute(text(question)).scalar_one())

    def sequences(self) -> Counter[int]:
        sequence = tables.node.c.sequence
        with self.engine.connect() as connection:
            rows = connection.execute(select(sequence, func.count()).group_by(sequence))
            return Counter({row[0]: int(row[1]) for row in rows})

    def metric(self, name: str) -> float:
        answer = requests.get(
            f"http://127.0.0.1:{self.port}/metrics",
            headers={"Authorization": f"Bearer {self.reader}"},
            timeout=30,
        )
        (line,) = [line for line in answer.text.splitlines() if line.startswith(f"{name} ")]
        return float(line.rpartition(" ")[2])


@contextmanager
def ground() -> Iterator[Ground]:
    with PostgreSql() as server, tempfile.TemporaryDirectory() as home:
        url = server.create_database("airflow")
        engine = create_engine(url)
        tables.metadata.create_all(engine)
        names = [
            (f"cluster-{number // NODES_OF_A_CLUSTER:03}", f"node-{number:05}")
            for number in range(NODES)
        ]
        tokens, reader = _fill(engine, names=names)
        port = free_port()
        process = _start(Path(home), url=url, port=port)
        try:
            yield Ground(
                engine=engine,
                process=process,
                port=port,
                names=names,
                tokens=tokens,
                reader=reader,
            )
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
            engine.dispose()


def _fill(engine: Engine, *, names: list[tuple[str, str]]) -> tuple[list[str], str]:
    tokens, reader, now = [new_secret() for _ in names], new_secret(), datetime.now(UTC)
    common = {"id": "", "kind": "node", "created": now, "change": 1}
    rows = [
        {**common, "id": new_id(), "digest": digest_of(token), "cluster": cluster, "node": node}
        for token, (cluster, node) in zip(tokens, names, strict=True)
    ]
    none = {"cluster": None, "node": None, "kind": "reader"}
    rows.append({**common, "id": new_id(), "digest": digest_of(reader), **none})
    with engine.begin() as connection:
        connection.execute(insert(tables.token), rows)
        connection.execute(insert(tables.node), [known_node(*name) for name in names])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return tokens, reader


def known_node(cluster: str, node: str) -> dict[str, object]:
    """A node that an earlier life of the receiver heard."""
    return {
        "cluster": cluster,
        "node": node,
        "boot_id": _NO_BOOT,
        "agent_id": "0" * 16,
        "sequence": 1,
        "trusted": True,
        "receiver": "before",
        "batch": 1,
        "shown": "[null,null,null,false,null,null,0,[],[],[]]",
    }


def _start(home: Path, *, url: str, port: int) -> "subprocess.Popen[bytes]":
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": "",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__API_AUTH__JWT_SECRET": os.urandom(32).hex(),
    }
    log = (home / "receiver.log").open("wb")
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "transition", "receiver", "--port", str(port)],
            env={"PATH": os.environ["PATH"], **settings},
            stdout=log,
            stderr=log,
        )
    end = time.monotonic() + _READY_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise RuntimeError((home / "receiver.log").read_text()[-2000:])
        try:
            requests.get(f"http://127.0.0.1:{port}/healthz", timeout=1)
        except requests.RequestException:
            time.sleep(0.1)
            continue
        return process
