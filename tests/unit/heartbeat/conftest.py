"""The application in this process, on SQLite, with clocks that the test moves."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from airflow_transition.heartbeat.settings import ReceiverSettings
from airflow_transition.heartbeat.tables import metadata
from tests.unit.heartbeat.site import Clock, Site, make_site

OpenSite = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/receiver.db?timeout=30")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def open_site(engine: Engine) -> OpenSite:
    """A receiver on the test's database; a second one is a restart, or a neighbour."""

    @asynccontextmanager
    async def opened(
        *, clock: Clock | None = None, settings: ReceiverSettings | None = None, name: str = "one"
    ) -> AsyncIterator[Site]:
        site = make_site(engine, clock=clock or Clock(), settings=settings, name=name)
        await site.receiver.load()
        try:
            yield site
        finally:
            await site.receiver.stop()

    return opened
