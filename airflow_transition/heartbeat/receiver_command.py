"""`airflow transition receiver`: the receiver alone, beside Airflow's API server."""

import gc
import os
import sys
from argparse import Namespace

import uvicorn
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_transition.heartbeat.airflow_app import airflow_receiver
from airflow_transition.heartbeat.airflow_people import begin_standalone
from airflow_transition.heartbeat.one_write import OneWriteProtocol

_SWITCH_SECONDS = 0.0005
"""So long the writer's thread may keep the interpreter while heartbeats wait; 5 ms by default."""
_KEEP_ALIVE_SECONDS = 75
"""Longer than most intervals: an agent's connection stays open between its heartbeats."""


def _settle_memory() -> None:
    """What is known at the start stays: the garbage collector need not walk through it again.

    With 50,000 nodes each full collection would stop all answers for a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_SWITCH_SECONDS)


@providers_configuration_loaded
def run_receiver(args: Namespace) -> None:
    """Until it is told to end; then what was heard is stored."""
    begin_standalone()
    # As Airflow's API server: a pin is written with the connections of Airflow's database.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    app = airflow_receiver()
    app.state.receiver.on_ready = _settle_memory
    uvicorn.run(
        app,
        host=args.host,
        port=args.port,
        ssl_certfile=args.tls_cert,
        ssl_keyfile=args.tls_key,
        http=OneWriteProtocol,
        proxy_headers=False,  # nothing here depends on who the client says it is
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=5,
    )
