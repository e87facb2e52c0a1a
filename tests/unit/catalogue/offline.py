"""A question to a catalogue without an application: nobody is heard, nothing is promised."""

from datetime import datetime

from sqlalchemy import Engine

from airflow_transition.catalogue.asking import Ask
from airflow_transition.heartbeat.receiver import Receiver
from airflow_transition.heartbeat.settings import ReceiverSettings
from airflow_transition.heartbeat.store import Store


def offline_ask(engine: Engine, *, now: datetime) -> Ask:
    receiver = Receiver(
        Store(engine, receiver="one"),
        settings=ReceiverSettings(),
        now=lambda: 1000.0,
        wall=now.timestamp,
    )
    return Ask(receiver, receiver.watches.of(20), now, may_trigger=False)
