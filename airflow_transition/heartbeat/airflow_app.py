"""The receiver as Airflow runs it: on its database, with its users, by its configuration."""

from airflow.sdk import conf
from fastapi import FastAPI

from airflow_transition.heartbeat.airflow_people import authenticate
from airflow_transition.heartbeat.airflow_store import airflow_store
from airflow_transition.heartbeat.app import create_app
from airflow_transition.heartbeat.settings import ReceiverSettings
from airflow_transition.settings import SECTION


def receiver_settings() -> ReceiverSettings:
    return ReceiverSettings(
        accept_guide_heartbeats=conf.getboolean(SECTION, "accept_guide_heartbeats"),
        most_guide_nodes=conf.getint(SECTION, "most_guide_nodes"),
    )


def airflow_receiver() -> FastAPI:
    return create_app(airflow_store(), authenticate, settings=receiver_settings())
