"""`airflow transition receiver`: the receiver alone, beside Airflow's API server."""

from argparse import Namespace

import uvicorn
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_transition.heartbeat.airflow_app import airflow_receiver
from airflow_transition.heartbeat.airflow_people import begin_standalone

_KEEP_ALIVE_SECONDS = 75
"""Longer than most intervals: an agent's connection stays open between its heartbeats."""


@providers_configuration_loaded
def run_receiver(args: Namespace) -> None:
    """Until it is told to end; then what was heard is stored."""
    begin_standalone()
    uvicorn.run(
        airflow_receiver(),
        host=args.host,
        port=args.port,
        ssl_certfile=args.tls_cert,
        ssl_keyfile=args.tls_key,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=5,
    )
