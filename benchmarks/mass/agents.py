"""Simulated agents of two clusters: heartbeats to the real receiver, until one falls silent."""

import secrets
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

import requests
from transition_wire.heartbeat import Heartbeat

from benchmarks.mass.ground import SOURCE, TARGET
from lab.airflow import AirflowInstance

_INTERVAL_SECONDS = 1.0


@dataclass
class Agents:
    """`with Agents(airflow) as agents: agents.silence(SOURCE)`."""

    airflow: AirflowInstance
    silent: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._beat, args=(cluster,), daemon=True)
            for cluster in (SOURCE, TARGET)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def silence(self, cluster: str) -> None:
        self.silent.add(cluster)

    def _beat(self, cluster: str) -> None:
        token = self._token(cluster)
        boot, agent, sequence = str(uuid.uuid4()), secrets.token_hex(8), 0
        with requests.Session() as session:
            while not self._ended.wait(_INTERVAL_SECONDS):
                if cluster in self.silent:
                    continue
                sequence += 1
                heartbeat = Heartbeat(
                    cluster=cluster,
                    node="node-1",
                    boot_id=boot,
                    agent_id=agent,
                    sequence=sequence,
                    sent=datetime.now(UTC),
                    interval_seconds=_INTERVAL_SECONDS,
                    agent_version="simulated",
                )
                session.post(
                    f"{self.airflow.url}/transition/heartbeat",
                    data=heartbeat.model_dump_json(),
                    headers={
                        "Authorization": f"Bearer {token}",
                        "Content-Type": "application/json",
                    },
                    timeout=10,
                ).raise_for_status()

    def _token(self, cluster: str) -> str:
        answer = requests.post(
            f"{self.airflow.url}/transition/tokens",
            json={"cluster": cluster, "node": "node-1"},
            headers={"Authorization": f"Bearer {self.airflow.bearer()}"},
            timeout=10,
        )
        answer.raise_for_status()
        return str(answer.json()["token"])
