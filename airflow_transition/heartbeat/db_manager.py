"""Creates and migrates the tables of receiver and catalogue with `airflow db migrate`."""

from pathlib import Path

from airflow.utils.db_manager import BaseDBManager

from airflow_transition.catalogue.tables import catalogue_metadata

_HERE = Path(__file__).parent


class TransitionDBManager(BaseDBManager):
    """Named in the provider's description, so that Airflow finds it by itself."""

    metadata = catalogue_metadata
    migration_dir = str(_HERE / "migrations")
    alembic_file = str(_HERE / "alembic.ini")
    version_table_name = "alembic_version_transition"
    supports_table_dropping = True
