"""A receiver as a test holds it: its clocks, its application, and requests to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import HTTPException, Request
from sqlalchemy import Engine
from transition_wire.heartbeat import Heartbeat, HeldLease

from airflow_transition.heartbeat.app import create_app
from airflow_transition.heartbeat.receiver import Receiver
from airflow_transition.heartbeat.settings import ReceiverSettings
from airflow_transition.heartbeat.store import Store

BOOT = "0b8f1a52-6f0e-4f0e-9a41-2f4d1c3b5a6e"
AGENT = "00112233aabbccdd"
POD_LABELS = {"app": "video"}
START = datetime(2026, 11, 24, 12, tzinfo=UTC)

OpenSite = Callable[..., "AbstractAsyncContextManager[Site]"]


@dataclass
class Clock:
    """The receiver's two clocks."""

    monotonic: float = 1000.0
    wall: float = START.timestamp()


@dataclass(frozen=True)
class FakePerson:
    name: str
    trigger: bool
    admin: bool

    def may_trigger(self) -> bool:
        return self.trigger

    def is_admin(self) -> bool:
        return self.admin


_PEOPLE = {
    "viewer": FakePerson("viewer", trigger=False, admin=False),
    "user": FakePerson("user", trigger=True, admin=False),
    "admin": FakePerson("admin", trigger=True, admin=True),
}


async def authenticate(request: Request) -> FakePerson:
    """The name of the person stands where Airflow's JWT would."""
    name = request.headers.get("authorization", "").removeprefix("Bearer ")
    if name not in _PEOPLE:
        raise HTTPException(401, "Not authenticated")
    return _PEOPLE[name]


@dataclass
class Site:
    receiver: Receiver
    clock: Clock
    app: Any
    client: httpx.AsyncClient
    sequences: dict[tuple[str, str, str], int] = field(default_factory=dict)

    async def call(
        self, method: str, path: str, *, person: str | None = "admin", **arguments: Any
    ) -> httpx.Response:
        headers = {} if person is None else {"Authorization": f"Bearer {person}"}
        return await self.client.request(method, path, headers=headers, **arguments)

    async def token(self, cluster: str = "cluster1", *, node: str = "node-a") -> str:
        answer = await self.call("POST", "/tokens", json={"cluster": cluster, "node": node})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def beat(
        self,
        token: str,
        *,
        cluster: str = "cluster1",
        node: str = "node-a",
        agent: str = AGENT,
        **fields: Any,
    ) -> httpx.Response:
        """The next heartbeat of this agent; `fields` replace what it would say."""
        heartbeat = self.heartbeat(cluster, node=node, agent=agent, **fields)
        return await self.post_beat(heartbeat.model_dump_json(), token=token)

    def heartbeat(
        self, cluster: str = "cluster1", *, node: str = "node-a", agent: str = AGENT, **fields: Any
    ) -> Heartbeat:
        key = (cluster, node, agent)
        self.sequences[key] = self.sequences.get(key, 0) + 1
        known: dict[str, Any] = {
            "cluster": cluster,
            "node": node,
            "boot_id": BOOT,
            "agent_id": agent,
            "sequence": self.sequences[key],
            "sent": datetime.fromtimestamp(self.clock.wall, UTC),
            "interval_seconds": 1.0,
            "agent_version": "0.1.0",
        }
        return Heartbeat.model_validate(known | fields)

    async def post_beat(self, body: str | bytes, *, token: str | None) -> httpx.Response:
        """With the batch that the answer waits for, where it does."""
        return await self.stored(self.send_beat(body, token=token))

    async def send_beat(self, body: str | bytes, *, token: str | None) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.client.post("/heartbeat", content=body, headers=headers)

    async def stored(self, answer: Awaitable[httpx.Response]) -> httpx.Response:
        """An answer that waits for the database, with the batch that it waits for."""
        asked = asyncio.ensure_future(answer)
        while not asked.done():
            if self.receiver.flusher.open.committed is not None:
                await self.receiver.flush()
            await asyncio.sleep(0)
        return await asked

    def pass_time(self, seconds: float, *, beside: "Site | None" = None) -> None:
        """Time passes while the receiver listens: it ticks as in production, its neighbour too."""
        end = self.clock.monotonic + seconds
        while self.clock.monotonic < end - 1e-9:
            step = min(0.1, end - self.clock.monotonic)
            self.clock.monotonic += step
            self.clock.wall += step
            for site in (self, beside):
                if site is not None:
                    site.receiver.tick()

    def pause(self, seconds: float) -> None:
        """Time passes while the receiver stands still; then it ticks again."""
        self.clock.monotonic += seconds
        self.clock.wall += seconds
        self.receiver.tick()
        self.receiver.tick()

    async def health(self, *, grace: float = 3.0) -> dict[str, str]:
        report = await self.fleet(grace=grace)
        return {
            node["node"]: node["health"] for each in report["clusters"] for node in each["nodes"]
        }

    async def fleet(self, *, grace: float = 3.0, **query: Any) -> dict[str, Any]:
        answer = await self.call("GET", "/clusters", params={"grace_seconds": grace, **query})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def claim(self, **fields: Any) -> httpx.Response:
        cluster = fields.pop("cluster", "cluster1")
        asked = {
            "policy": "web",
            "epoch": 1,
            "run": "failover.web/run-1",
            "packages": [package()],
            "grace_seconds": 3.0,
        }
        path = f"/clusters/{cluster}/claims"
        return await self.call("POST", path, person="user", json=asked | fields)


def package(name: str = "video", *, namespace: str = "shop") -> dict[str, Any]:
    return {"package": name, "namespace": namespace, "pod_labels": POD_LABELS}


def kernel_lease(name: str = "video", *, namespace: str = "shop") -> HeldLease:
    return HeldLease(package=name, namespace=namespace, enforced_by="kernel")


def site_opener(engine: Engine) -> OpenSite:
    """A receiver on the test's database; a second one is a restart, or a neighbour."""

    @asynccontextmanager
    async def opened(
        *, clock: Clock | None = None, settings: ReceiverSettings | None = None, name: str = "one"
    ) -> AsyncIterator[Site]:
        site = _make_site(engine, clock=clock or Clock(), settings=settings, name=name)
        await site.receiver.load()
        try:
            yield site
        finally:
            await site.receiver.stop()

    return opened


def _make_site(
    engine: Engine, *, clock: Clock, settings: ReceiverSettings | None, name: str
) -> Site:
    settings = settings or ReceiverSettings(write_interval=timedelta(0))
    app = create_app(
        Store(engine, receiver=name),
        authenticate,
        lambda: clock.monotonic,
        wall=lambda: clock.wall,
        settings=settings,
    )
    transport = httpx.ASGITransport(app=app)
    client = httpx.AsyncClient(transport=transport, base_url="http://receiver")
    return Site(receiver=app.state.receiver, clock=clock, app=app, client=client)


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks of the loop go on."""
    while not condition():  # noqa: ASYNC110 - nothing in the application exists for this test
        await asyncio.sleep(0)
