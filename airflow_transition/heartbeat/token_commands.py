"""`airflow transition token ...`. Needs the database, and so an administrator's shell."""

import sys
from argparse import Namespace
from datetime import UTC, datetime, timedelta

from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from pydantic import ValidationError

from airflow_transition.heartbeat import token_rows
from airflow_transition.heartbeat.airflow_store import airflow_store
from airflow_transition.heartbeat.store import Store
from airflow_transition.heartbeat.token import TokenReport, TokenRequest

_USAGE = 2


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
    store = _store()
    token = token_rows.create_token(store, request=request, now=datetime.now(UTC))
    print(token.token)
    print(f"id {token.id}; this is the only time that it is shown", file=sys.stderr)


@providers_configuration_loaded
def list_tokens(_: Namespace) -> None:
    for token in token_rows.list_tokens(airflow_store()):
        print(_line(token))


@providers_configuration_loaded
def revoke_token(args: Namespace) -> None:
    store = _store()
    revoked = token_rows.revoke_token(store, token_id=args.token_id, now=datetime.now(UTC))
    if revoked is None:
        sys.exit(f"{args.token_id}: there is no such token; see `airflow transition token list`")
    print(_line(revoked))


def _store() -> Store:
    """The receiver may not have started yet, and then nothing is in its tables."""
    store = airflow_store()
    store.prepare()
    return store


def _line(token: TokenReport) -> str:
    whose = "reader" if token.kind == "reader" else f"{token.cluster}/{token.node}"
    ends = f"expires {token.expires:%Y-%m-%d %H:%M}" if token.expires else "no end"
    state = f"revoked {token.revoked:%Y-%m-%d %H:%M}" if token.revoked else ends
    return f"{token.id}  {whose}  {state}"
