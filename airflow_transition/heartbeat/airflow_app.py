"""The receiver as Airflow runs it: on its database, with its users, by its configuration."""

from airflow import settings as airflow_settings
from airflow.sdk import conf
from fastapi import FastAPI

from airflow_transition.core.errors import TemporaryError
from airflow_transition.heartbeat.airflow_people import authenticate
from airflow_transition.heartbeat.app import create_app
from airflow_transition.heartbeat.settings import ReceiverSettings
from airflow_transition.heartbeat.store import Store
from airflow_transition.settings import SECTION


def receiver_settings() -> ReceiverSettings:
    return ReceiverSettings(
        accept_guide_heartbeats=conf.getboolean(SECTION, "accept_guide_heartbeats"),
        most_guide_nodes=conf.getint(SECTION, "most_guide_nodes"),
    )


def airflow_store() -> Store:
    """On Airflow's own engine, with the pool and the time-outs that it was given."""
    engine = airflow_settings.engine
    if engine is None:
        raise TemporaryError(
            "Airflow has not set up its database in this process",
            where="[database] sql_alchemy_conn",
            do="start the receiver by `airflow`",
        )
    return Store(engine)


def airflow_receiver() -> FastAPI:
    return create_app(airflow_store(), authenticate, settings=receiver_settings())
