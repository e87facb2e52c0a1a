"""A real PostgreSQL, and real processes of the receiver."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from airflow_transition.heartbeat.tables import metadata
from lab.services.postgresql import PostgreSql
from tests.integration.heartbeat.airflow_process import AirflowProcess
from tests.unit.heartbeat.site import OpenSite, site_opener

_numbers = count(1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with PostgreSql() as server:
        yield server


@pytest.fixture
def database_url(postgresql: PostgreSql) -> str:
    """Of an empty database of the test's own."""
    return postgresql.create_database(f"test{next(_numbers)}")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url, pool_pre_ping=True)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def open_site(engine: Engine) -> OpenSite:
    return site_opener(engine)


@pytest.fixture
def airflow_on(tmp_path: Path) -> Iterator[Callable[[str], AirflowProcess]]:
    """`airflow` commands on a database; whatever still runs at the end is ended."""
    made: list[AirflowProcess] = []

    def on(url: str) -> AirflowProcess:
        made.append(AirflowProcess(tmp_path / f"home{len(made)}", database_url=url))
        return made[-1]

    yield on
    for airflow in made:
        airflow.end()
