"""The `http` connection to the receiver of heartbeats, read strictly: it holds a password."""

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_transition.hooks.connection import find_connection
from airflow_transition.hooks.receiver_errors import ReceiverConnectionError

if TYPE_CHECKING:
    from airflow.sdk import Connection


@dataclass(frozen=True)
class ReceiverSettings:
    """Where the receiver is, and as whom to speak to it."""

    base_url: str
    airflow_url: str
    """Whose `/auth/token` turns login and password into a token."""
    username: str
    password: str = field(repr=False)
    ca_file: str | None
    verify: bool

    def tls(self) -> ssl.SSLContext | bool:
        """What the HTTP client checks certificates with."""
        if not self.verify:
            return False
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ReceiverConnectionError(
                "the CA file cannot be read",
                where=f"receiver {self.base_url}",
                found=f"{self.ca_file}: {error}",
                do="correct `ca_file` in the http connection's extra",
            ) from error


def read_receiver_settings(conn_id: str) -> ReceiverSettings:
    return receiver_settings(find_connection(conn_id, kind="http"))


def receiver_settings(connection: "Connection") -> ReceiverSettings:
    """Read host (with or without scheme and port), login, password and the named extras."""
    extra = connection.extra_dejson
    verify = extra.get("verify", True) not in (False, "false", "False")
    host = str(connection.host or "")
    scheme = connection.schema if connection.schema in {"http", "https"} else "https"
    base_url = _address(
        host if "://" in host else f"{scheme}://{host}",
        port=connection.port,
        verify=verify,
        conn_id=connection.conn_id,
    )
    parts = urlsplit(base_url)
    airflow_url = extra.get("airflow_url")
    if not connection.login or not connection.password:
        raise ReceiverConnectionError(
            "the connection has no login and password",
            where=f"connection {connection.conn_id}",
            do="give it those of an Airflow user who may trigger the failover DAGs",
        )
    return ReceiverSettings(
        base_url=base_url,
        airflow_url=f"{parts.scheme}://{parts.netloc}"
        if not airflow_url
        else _address(str(airflow_url), port=None, verify=verify, conn_id=connection.conn_id),
        username=connection.login,
        password=connection.password,
        ca_file=str(extra["ca_file"]) if extra.get("ca_file") else None,
        verify=verify,
    )


def _address(url: str, *, port: int | None, verify: bool, conn_id: str) -> str:
    """The address without a slash at its end; a password may only be sent where it is safe."""
    try:
        parts = urlsplit(url)
        host, given_port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, given_port = urlsplit(""), "", None
    safe = parts.scheme == "https" or (
        parts.scheme == "http" and (not verify or _is_loopback(host))
    )
    if not host or not safe or parts.username or parts.query or parts.fragment:
        raise ReceiverConnectionError(
            "that is no receiver's address",
            where=f"connection {conn_id}",
            found=f"{parts.scheme}://{host}",
            do="write https://host:port/path without user and query; http only to this machine "
            "itself, or with `verify: false` in the extra",
        )
    added = f":{port}" if port and not given_port else ""
    return f"{parts.scheme}://{parts.netloc}{added}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
