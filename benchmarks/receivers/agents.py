"""Agents in great number, light enough to share the machine with what they measure.

Each node has a token of its own and a sequence that rises. Heartbeats are due at fixed moments,
whether the earlier ones were answered or not, and a delay counts from when one was due.
"""

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

BODY_BYTES = 1024
BOOT = "0b8f1a52-6f0e-4f0e-9a41-2f4d1c3b5a6e"
_FIRST_SEQUENCE = 1_000_000
"""So that every body has the same length."""
_SLICE_SECONDS = 0.005


@dataclass
class Outcome:
    """What came back."""

    seconds: float
    statuses: Counter[bytes] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    unanswered: int = 0

    @property
    def per_second(self) -> float:
        return self.statuses[b"200"] / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.delays)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Fleet:
    """Renders the next heartbeat of each node in turn."""

    def __init__(self, tokens: list[str], *, names: list[tuple[str, str]], port: int) -> None:
        self._heads = [_head(token, port=port) for token in tokens]
        self._names = names
        self._sent = 0
        self._now = b""
        self.turn()

    def turn(self) -> None:
        """The moment that the next heartbeats carry."""
        self._now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()

    def next(self) -> bytes:
        place = self._sent % len(self._names)
        sequence = _FIRST_SEQUENCE + self._sent // len(self._names)
        self._sent += 1
        cluster, node = self._names[place]
        body = _body(cluster, node, sequence=sequence, sent=self._now)
        return self._heads[place] + body

    def last_sequences(self) -> Counter[int]:
        """How many nodes have sent which sequence last."""
        rounds, more = divmod(self._sent, len(self._names))
        last = _FIRST_SEQUENCE + rounds
        return Counter({last: more, last - 1: len(self._names) - more}) + Counter()


class _Connection(asyncio.Protocol):
    """One request at a time; the next due one is taken as soon as it is free."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._due: float | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._load.free.append(self)

    def send(self, request: bytes, *, due: float) -> None:
        self._due = due
        self.transport.write(request)

    def data_received(self, received: bytes) -> None:
        self._received += received
        if not _is_whole(self._received):
            return
        assert self._due is not None
        outcome = self._load.outcome
        outcome.statuses[self._received[9:12]] += 1
        outcome.delays.append(time.perf_counter() - self._due)
        self._due, self._received = None, b""
        self._load.next(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._load.lost += 1


class Load:
    """Sends at a steady rate over connections that stay open, as the agents' do."""

    def __init__(self, fleet: Fleet, *, port: int, connections: int) -> None:
        self._fleet = fleet
        self._port = port
        self._connections = connections
        self._due: deque[float] = deque()
        self.free: deque[_Connection] = deque()
        self.lost = 0
        self.outcome = Outcome(0)

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._connections):
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)

    async def run(self, *, per_second: float, seconds: float) -> Outcome:
        self.outcome = Outcome(seconds)
        begun, due = time.perf_counter(), 0
        while (passed := time.perf_counter() - begun) < seconds:
            self._fleet.turn()
            while due < passed * per_second:
                self._due.append(begun + due / per_second)
                due += 1
            while self._due and self.free:
                self._send(self.free.popleft())
            await asyncio.sleep(_SLICE_SECONDS)
        await self._answers()
        self.outcome.unanswered = due - self.outcome.statuses.total()
        return self.outcome

    def next(self, connection: _Connection) -> None:
        if self._due:
            self._send(connection)
        else:
            self.free.append(connection)

    def close(self) -> None:
        for connection in self.free:
            connection.transport.close()

    def _send(self, connection: _Connection) -> None:
        connection.send(self._fleet.next(), due=self._due.popleft())

    async def _answers(self) -> None:
        """Those that are late still come, and count with their delay."""
        end = time.perf_counter() + 5
        while len(self.free) < self._connections and time.perf_counter() < end:  # noqa: ASYNC110
            await asyncio.sleep(_SLICE_SECONDS)


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    _, _, length = head.lower().partition(b"content-length: ")
    return len(body) >= int(length.split(b"\r\n", 1)[0])


def _head(token: str, *, port: int) -> bytes:
    return (
        f"POST /heartbeat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    ).encode()


def _body(cluster: str, node: str, *, sequence: int, sent: bytes) -> bytes:
    """1 KB: a node with the containers that fit."""
    start = (
        f'{{"version":1,"cluster":"{cluster}","node":"{node}","boot_id":"{BOOT}",'
        f'"agent_id":"00112233aabbccdd","sequence":{sequence},"interval_seconds":10.0,'
        '"free_bytes":123456789012,"last_upload_seconds":12.5,"memory_pressure":false,"sent":"'
    ).encode()
    end = b'","fenced":[],"leases":[],"containers":[' + _CONTAINERS + b'],"agent_version":"0.1.0'
    filling = BODY_BYTES - len(start) - len(sent) - len(end) - 2
    return b"".join((start, sent, end, b"+" * filling, b'"}'))


_CONTAINERS = b",".join(
    b'{"namespace":"shop","pod":"video-85f5b48bb5-b5dg%d","container":"app"}' % number
    for number in range(9)
)
