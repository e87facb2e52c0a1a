"""What `airflow transition ...` does. Needs the database, and so an administrator's shell."""

import sys
from argparse import Namespace
from datetime import UTC, datetime, timedelta

import uvicorn
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from pydantic import ValidationError

from airflow_transition.heartbeat import token_rows
from airflow_transition.heartbeat.airflow_app import airflow_receiver, airflow_store
from airflow_transition.heartbeat.airflow_people import begin_standalone
from airflow_transition.heartbeat.token import TokenReport, TokenRequest

_USAGE = 2
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


@providers_configuration_loaded
def create_token(args: Namespace) -> None:
    expires = None if args.days is None else datetime.now(UTC) + timedelta(days=args.days)
    try:
        request = TokenRequest(
            kind="reader" if args.reader else "node",
            cluster=args.cluster,
            node=args.node,
            expires=expires,
        )
    except ValidationError as error:
        for each in error.errors():
            print(f"{'.'.join(map(str, each['loc']))} {each['msg']}".strip(), file=sys.stderr)
        sys.exit(_USAGE)
    store = airflow_store()
    store.prepare()
    token = token_rows.create_token(store, request=request, now=datetime.now(UTC))
    print(token.token)
    print(f"id {token.id}; this is the only time that it is shown", file=sys.stderr)


@providers_configuration_loaded
def list_tokens(_: Namespace) -> None:
    for token in token_rows.list_tokens(airflow_store()):
        print(_line(token))


@providers_configuration_loaded
def revoke_token(args: Namespace) -> None:
    store = airflow_store()
    revoked = token_rows.revoke_token(store, token_id=args.token_id, now=datetime.now(UTC))
    if revoked is None:
        sys.exit(f"{args.token_id}: there is no such token; see `airflow transition token list`")
    print(_line(revoked))


def _line(token: TokenReport) -> str:
    whose = "reader" if token.kind == "reader" else f"{token.cluster}/{token.node}"
    ends = f"expires {token.expires:%Y-%m-%d %H:%M}" if token.expires else "no end"
    state = f"revoked {token.revoked:%Y-%m-%d %H:%M}" if token.revoked else ends
    return f"{token.id}  {whose}  {state}"
