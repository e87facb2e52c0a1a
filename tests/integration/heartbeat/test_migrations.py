"""The receiver's tables come with `airflow db migrate`, by migrations of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, text

from airflow_transition.heartbeat.tables import metadata
from tests.integration.heartbeat.airflow_process import AirflowProcess

AirflowOn = Callable[[str], AirflowProcess]

_MIGRATE = """
from airflow import settings
from airflow_transition.heartbeat.db_manager import TransitionDBManager as Manager
settings.initialize()
with settings.Session() as session:
    manager = Manager(session)
    manager.initdb(use_migration_files={files})
    assert manager.check_migration()
"""


@pytest.mark.parametrize("files", [True, False])
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_migrations_make_the_tables_that_the_receiver_uses(
    airflow_on: AirflowOn, tmp_path: Path, request: pytest.FixtureRequest, dialect: str, files: bool
) -> None:
    if dialect == "sqlite":
        url = f"sqlite:///{tmp_path}/airflow.db"
    else:
        url = request.getfixturevalue("database_url")
    airflow = airflow_on(url)
    airflow.python(_MIGRATE.format(files=files))
    airflow.python(_MIGRATE.format(files=files))
    engine = create_engine(url)
    assert differences(engine) == []
    with engine.connect() as connection:
        version = connection.execute(text("SELECT version_num FROM alembic_version_transition"))
        assert version.scalar_one() == "0002"
    engine.dispose()


def test_airflow_migrates_them_and_its_own_stay_as_they_are(
    airflow_on: AirflowOn, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/airflow.db"
    airflow = airflow_on(url)
    airflow.run("db", "migrate")
    airflow.run("db", "check-migrations")
    engine = create_engine(url)
    tables = set(inspect(engine).get_table_names())
    assert set(metadata.tables) <= tables
    assert {"alembic_version", "alembic_version_transition", "dag_run"} <= tables
    assert differences(engine) == []
    engine.dispose()


def differences(engine: Engine) -> list[object]:
    """Between the database and what the code declares; Airflow's own tables are not looked at."""
    ours = set(metadata.tables)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_name": lambda name, kind, _: kind != "table" or name in ours,
                "compare_type": True,
            },
        )
        return list(compare_metadata(context, metadata))
