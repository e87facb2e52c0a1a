"""The application in this process, on SQLite, with clocks that the test moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from airflow_transition.heartbeat.tables import metadata
from tests.unit.heartbeat.site import OpenSite, site_opener


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
    return site_opener(engine)
