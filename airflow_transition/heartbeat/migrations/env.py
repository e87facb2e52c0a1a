"""Alembic's entry: runs the migrations of receiver and catalogue on Airflow's own connection."""

from airflow import settings
from alembic import context

from airflow_transition.catalogue.tables import catalogue_metadata

_VERSION_TABLE = "alembic_version_transition"


def _offline() -> None:
    context.configure(
        url=settings.SQL_ALCHEMY_CONN,
        target_metadata=catalogue_metadata,
        literal_binds=True,
        version_table=_VERSION_TABLE,
    )
    with context.begin_transaction():
        context.run_migrations()


def _online() -> None:
    if settings.engine is None:
        raise RuntimeError("Airflow's database is not set up in this process")
    with settings.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=catalogue_metadata,
            render_as_batch=True,
            transaction_per_migration=True,
            version_table=_VERSION_TABLE,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    _offline()
else:
    _online()
