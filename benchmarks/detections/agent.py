"""An agent that is nothing but its heartbeats, and that can fall silent."""

import contextlib
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import requests
from transition_wire.heartbeat import HEARTBEAT_PATH, Heartbeat

_SECONDS = 5.0


@dataclass
class SimulatedAgent:
    """Sends a heartbeat every interval from a thread of its own, on one connection."""

    url: str
    token: str = field(repr=False)
    cluster: str
    node: str
    interval_seconds: float = 1.0
    last_sent: float = 0.0
    """Unix time at which the last heartbeat that was taken was sent."""
    _speaking: threading.Event = field(default_factory=threading.Event, init=False)
    _ended: threading.Event = field(default_factory=threading.Event, init=False)
    _between: threading.Lock = field(default_factory=threading.Lock, init=False)

    def start(self) -> "SimulatedAgent":
        self._speaking.set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def fall_silent(self) -> float:
        """From now on nothing is sent; when the last heartbeat was."""
        with self._between:
            self._speaking.clear()
        return self.last_sent

    def speak(self) -> None:
        self._speaking.set()

    def stop(self) -> None:
        self._ended.set()
        self._speaking.set()
        self._thread.join()

    def _run(self) -> None:
        session = requests.Session()
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {self.token}"
        boot_id, agent_id = str(uuid.uuid4()), uuid.uuid4().hex[:16]
        due = time.monotonic()
        for sequence in count(1):
            self._ended.wait(max(0.0, due - time.monotonic()))
            self._speaking.wait()
            if self._ended.is_set():
                return
            due = max(due + self.interval_seconds, time.monotonic())
            beat = Heartbeat(
                cluster=self.cluster,
                node=self.node,
                boot_id=boot_id,
                agent_id=agent_id,
                sequence=sequence,
                sent=datetime.now(UTC),
                interval_seconds=self.interval_seconds,
                agent_version="simulated",
            )
            with self._between:
                if self._speaking.is_set():
                    self._send(session, beat=beat)

    def _send(self, session: requests.Session, *, beat: Heartbeat) -> None:
        sent = time.time()
        with contextlib.suppress(requests.RequestException):  # as an agent goes on, so does this
            answer = session.post(
                f"{self.url}{HEARTBEAT_PATH}",
                data=beat.model_dump_json(),
                headers={"Content-Type": "application/json"},
                timeout=_SECONDS,
            )
            answer.raise_for_status()
            self.last_sent = sent
