"""The receiver's part of `airflow transition ...`, imported when it is asked for."""

from typing import Any

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

_RECEIVER = "airflow_transition.heartbeat.receiver_command"
_TOKENS = "airflow_transition.heartbeat.token_commands"

_arg: Any = Arg  # Airflow's class has no types
_HOST = _arg(("--host",), default="127.0.0.1", help="Address to listen on")
_PORT = _arg(("--port",), type=int, default=8090, help="Port to listen on")
_TLS_CERT = _arg(("--tls-cert",), default=None, help="File with the certificate chain")
_TLS_KEY = _arg(("--tls-key",), default=None, help="File with the certificate's private key")
_CLUSTER = _arg(("--cluster",), default=None, help="Cluster of the node")
_NODE = _arg(("--node",), default=None, help="Name of the node")
_READER = _arg(
    ("--reader",), action="store_true", help="A token that may read /metrics and nothing else"
)
_DAYS = _arg(("--days",), type=int, default=None, help="Valid for so many days; without: no end")
_TOKEN_ID = _arg(("token_id",), help="Id of the token, as `list` shows it")

_TOKEN_COMMANDS = (
    ActionCommand(
        name="create",
        help="Make a token and print it, once",
        func=lazy_load_command(f"{_TOKENS}.create_token"),
        args=(_CLUSTER, _NODE, _READER, _DAYS),
    ),
    ActionCommand(
        name="list",
        help="Show all tokens' ids and whose they are",
        func=lazy_load_command(f"{_TOKENS}.list_tokens"),
        args=(),
    ),
    ActionCommand(
        name="revoke",
        help="Refuse a token from now on",
        func=lazy_load_command(f"{_TOKENS}.revoke_token"),
        args=(_TOKEN_ID,),
    ),
)


def receiver_commands() -> tuple[ActionCommand | GroupCommand, ...]:
    """Those of `airflow transition` that need the receiver's database."""
    return (
        ActionCommand(
            name="receiver",
            help="Run the receiver of heartbeats alone, beside Airflow's API server",
            func=lazy_load_command(f"{_RECEIVER}.run_receiver"),
            args=(_HOST, _PORT, _TLS_CERT, _TLS_KEY),
        ),
        GroupCommand(name="token", help="Tokens of nodes", subcommands=_TOKEN_COMMANDS),
    )
