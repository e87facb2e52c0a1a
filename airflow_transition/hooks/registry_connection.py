"""The `docker` connection as users fill it in, read strictly: it holds a password."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_transition.hooks.registry_errors import RegistryConnectionError

if TYPE_CHECKING:
    from airflow.sdk import Connection


@dataclass(frozen=True)
class RegistrySettings:
    """Where the registry is, and as whom to speak to it."""

    base_url: str
    username: str | None
    password: str | None = field(repr=False)
    verify: bool | str
    """Path of a private CA, or whether the certificate is checked at all."""
    repository: str
    """Where checkpoint images go."""


def registry_settings(connection: "Connection") -> RegistrySettings:
    """Read host (with or without scheme and port), login, password and the named extras."""
    extra = connection.extra_dejson
    insecure = bool(extra.get("insecure", False))
    host = str(connection.host or "")
    url = urlsplit(host if "://" in host else f"https://{host}")
    port = f":{connection.port}" if connection.port and not url.port else ""
    allowed = {"https", "http"} if insecure else {"https"}
    if not url.hostname or url.scheme not in allowed or url.username:
        raise RegistryConnectionError(
            "the host of the connection is no registry address",
            where=f"connection {connection.conn_id}",
            found=f"{url.scheme}://{url.hostname or ''}",
            do="write https://host:port; http only with `insecure: true` in the extra",
        )
    return RegistrySettings(
        base_url=f"{url.scheme}://{url.netloc}{port}",
        username=connection.login,
        password=connection.password,
        verify=extra.get("ca_file") or not insecure,
        repository=str(extra.get("repository", "checkpoints")),
    )
