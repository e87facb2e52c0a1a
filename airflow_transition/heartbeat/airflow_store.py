"""The receiver's tables where Airflow keeps its own."""

from airflow import settings

from airflow_transition.core.errors import TemporaryError
from airflow_transition.heartbeat.store import Store


def airflow_store() -> Store:
    """On Airflow's own engine, with the pool and the time-outs that it was given."""
    engine = settings.engine
    if engine is None:
        raise TemporaryError(
            "Airflow has not set up its database in this process",
            where="[database] sql_alchemy_conn",
            do="start the receiver by `airflow`",
        )
    return Store(engine)
