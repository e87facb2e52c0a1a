"""What an operator sets, by environment. `AgentSettings()` reads it; every unit is in the text.

Each setting has a name of ours and, where the ClusterPolicy guide has one, the guide's, so that a
user of the guide's agent can switch without a change. Ours wins where both are set.
"""

import os
import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    BeforeValidator,
    ByteSize,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from transition_wire.heartbeat import HEARTBEAT_PATH
from transition_wire.model import DnsSubdomain

from transition_agent.errors import AgentError

_PARTS = re.compile(r"(?P<count>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}

_SHORTEST_INTERVAL = timedelta(milliseconds=100)
_LONGEST_INTERVAL = timedelta(hours=1)


class SettingsError(AgentError):
    """One or more environment variables are missing or wrong; the message names each."""


def _duration(text: object) -> timedelta:
    """`5s`, `1m30s`, `7d`, as the guide and Kubernetes write durations; plain numbers: seconds."""
    if isinstance(text, timedelta):  # a default
        return text
    written = str(text).strip()
    if written.isdecimal():
        written += "s"
    parts = [float(part["count"]) * _UNITS[part["unit"]] for part in _PARTS.finditer(written)]
    duration = sum(parts, start=timedelta())
    if _PARTS.sub("", written) or duration <= timedelta(0):
        raise ValueError("give a duration above zero, like 5s, 1m30s or 7d")
    return duration


Duration = Annotated[timedelta, BeforeValidator(_duration)]


def _names(*names: str) -> Any:
    return Field(validation_alias=AliasChoices(*names))


class AgentSettings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")

    cluster_name: Annotated[DnsSubdomain, _names("CLUSTER_NAME")]
    """Cluster of this node, as the policies name it. Required."""
    node_name: Annotated[DnsSubdomain, _names("NODE_NAME")] = Field(
        default_factory=lambda: socket.gethostname().lower()
    )
    """Name of the node in Kubernetes; the host's name by default."""
    checkpoint_dir: Annotated[Path, _names("CHECKPOINT_DIR")] = Path("/var/lib/kubelet/checkpoints")
    """Where the kubelet writes archives."""

    s3_endpoint_url: Annotated[str | None, _names("S3_ENDPOINT_URL", "MINIO_ENDPOINT")] = None
    """URL of the S3 server; none: AWS. The guide's `host:port` means plain HTTP, as there."""
    s3_access_key: Annotated[str | None, _names("S3_ACCESS_KEY", "MINIO_ACCESS_KEY")] = None
    """Without it: the AWS libraries' own search (environment, instance profile)."""
    s3_secret_key: Annotated[SecretStr | None, _names("S3_SECRET_KEY", "MINIO_SECRET_KEY")] = None
    s3_bucket: Annotated[str, _names("S3_BUCKET", "MINIO_BUCKET")] = "checkpoints"
    s3_prefix: Annotated[str, _names("S3_PREFIX")] = ""
    """Put before every key, as it is: end it with `/` for a folder."""
    s3_region: Annotated[str, _names("S3_REGION", "AWS_REGION")] = "us-east-1"
    s3_ca_file: Annotated[Path | None, _names("S3_CA_FILE", "AWS_CA_BUNDLE")] = None
    """PEM file of the authority that signed the S3 server's certificate, if it is a private one."""

    compression: Annotated[Literal["auto", "off"], _names("COMPRESSION")] = "auto"
    """auto: archives whose samples compress are stored by zstd, in one thread; off: as they are."""

    rescan_interval: Annotated[Duration, _names("RESCAN_INTERVAL", "PULL_INTERVAL")] = timedelta(
        seconds=5
    )
    """The folder is looked through this often even if no file event comes."""
    node_facts_interval: Annotated[Duration, _names("NODE_FACTS_INTERVAL")] = timedelta(minutes=10)
    """Facts are measured and published this often, so that their age shows a silent agent."""
    node_facts_file: Annotated[Path | None, _names("NODE_FACTS_FILE")] = None
    """Facts written by `transition-agent facts --output`, for an agent that may not run CRIU."""

    keep_archives_for: Annotated[Duration | None, _names("KEEP_ARCHIVES_FOR")] = None
    """Local archives older than this are removed once their record is in S3; unset: never."""
    free_space_floor: Annotated[ByteSize, _names("FREE_SPACE_FLOOR")] = ByteSize(0)
    """Below this much free space the oldest recorded archives are removed; 0: never."""

    abort_uploads_after: Annotated[Duration, _names("ABORT_UPLOADS_AFTER")] = timedelta(days=1)
    """Open multipart uploads of this cluster that are older are aborted, whoever began them: a node
    that is gone cannot. Longer than the slowest upload takes."""

    metrics_address: Annotated[str, _names("METRICS_ADDRESS")] = "127.0.0.1:9464"
    """`host:port` of /metrics; `off`: none."""
    log_level: Annotated[str, _names("LOG_LEVEL")] = "info"

    controller_url: Annotated[str | None, _names("CONTROLLER_URL")] = None
    """The receiver's address, by the guide's name; `/heartbeat` is added unless it ends so. Without
    it no heartbeats are sent."""
    controller_ca_file: Annotated[Path | None, _names("CONTROLLER_CA_FILE")] = None
    """PEM file of the authority that signed the receiver's certificate, if it is a private one."""
    controller_token: Annotated[SecretStr | None, _names("CONTROLLER_TOKEN")] = None
    """This node's token, as the receiver gave it out."""
    controller_token_file: Annotated[Path | None, _names("CONTROLLER_TOKEN_FILE")] = None
    """The token in a file instead, read again when that changes."""
    heartbeat_interval: Annotated[
        Duration, _names("HEARTBEAT_INTERVAL", "FAULT_DETECTION_INTERVAL")
    ] = timedelta(seconds=10)

    state_dir: Annotated[Path, _names("STATE_DIR")] = Path("/var/lib/transition-agent")
    """Keeps which packages are fenced and leased, so that a reboot does not open them."""
    container_runtime: Annotated[
        Literal["auto", "crictl", "podman", "off"], _names("CONTAINER_RUNTIME")
    ] = "auto"
    """The program that lists and stops containers; auto: crictl if installed, else podman."""

    @field_validator("s3_endpoint_url")
    @classmethod
    def _is_a_url(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        url = endpoint if "://" in endpoint else f"http://{endpoint}"
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give https://host:port")
        if parts.username or parts.password:
            raise ValueError("no credentials in the URL; use S3_ACCESS_KEY and S3_SECRET_KEY")
        return url

    @field_validator("controller_url")
    @classmethod
    def _is_a_receiver(cls, address: str | None) -> str | None:
        if address is None:
            return None
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give https://host:port")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("give https://host:port alone; the token goes into CONTROLLER_TOKEN")
        return address.rstrip("/").removesuffix(HEARTBEAT_PATH) + HEARTBEAT_PATH

    @field_validator("heartbeat_interval")
    @classmethod
    def _is_an_interval(cls, interval: timedelta) -> timedelta:
        if not _SHORTEST_INTERVAL <= interval <= _LONGEST_INTERVAL:
            raise ValueError("give a duration from 100ms to 1h")
        return interval

    @field_validator("s3_ca_file", "controller_ca_file")
    @classmethod
    def _is_a_file(cls, file: Path | None) -> Path | None:
        if file is not None and not file.is_file():
            raise ValueError(f"no such file: {file}")
        return file

    @field_validator("metrics_address")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        host, _, port = address.rpartition(":")
        if address != "off" and not (host and port.isdigit() and int(port) < 65536):  # noqa: PLR2004 - TCP's own bound
            raise ValueError("give host:port, or off")
        return address

    @field_validator("log_level")
    @classmethod
    def _is_a_level(cls, level: str) -> str:
        if level.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("give debug, info, warning or error")
        return level.lower()

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Self:
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            raise ValueError("S3_ACCESS_KEY and S3_SECRET_KEY belong together: set both or none")
        return self

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.controller_token is not None and self.controller_token_file is not None:
            raise ValueError("set CONTROLLER_TOKEN or CONTROLLER_TOKEN_FILE, not both")
        return self

    @property
    def encrypted(self) -> bool:
        """Whether archives, which hold the memory of processes, travel to S3 by TLS."""
        return self.s3_endpoint_url is None or self.s3_endpoint_url.startswith("https://")


def read_settings() -> AgentSettings:
    """The settings in the environment, or `SettingsError` with all that is wrong with them."""
    try:
        return AgentSettings()
    except ValidationError as error:
        wrong = "; ".join(_wrong(line["loc"], line["msg"]) for line in error.errors())
        raise SettingsError(wrong, where="environment", do="set it and start again") from None


def _wrong(location: tuple[int | str, ...], message: str) -> str:
    """The variable's name and what is wrong with it, never the value: it may be a secret."""
    text = message.removeprefix("Value error, ")
    if not location:
        return text
    return f"{_variable(str(location[0]))}: {text}"


def _variable(name: str) -> str:
    """The name that the user has set, or ours where none is."""
    for described in AgentSettings.model_fields.values():
        alias = described.validation_alias
        if isinstance(alias, AliasChoices) and name in alias.choices:
            names = [str(choice) for choice in alias.choices]
            return next((choice for choice in names if choice in os.environ), names[0])
    return name
