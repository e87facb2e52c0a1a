"""Where a cluster is: its Airflow connection, or what Cluster API keeps of it.

A connection of the cluster's name is used where there is one. Else the Secret of Cluster API in the
management cluster that `[transition] management_cluster_conn_id` names is read, anew each time
credentials are refused: what it holds stays in memory.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from kubernetes.client import ApiClient, Configuration

from airflow_transition.core.kubeconfig import ClusterAccess, read_kubeconfig
from airflow_transition.hooks.connection import ConnectionNotGivenError, find_connection
from airflow_transition.hooks.memory_file import memory_file
from airflow_transition.settings import read_settings

_IN_CLUSTER = ("in_cluster", "extra__kubernetes__in_cluster")


@dataclass(frozen=True)
class KubeConnection:
    """An authenticated client, and what the connection says beside it."""

    client: ApiClient
    extra: Mapping[str, Any] = field(repr=False)
    """Of the cluster's connection; of the management cluster's, where there is no other."""
    found_by: str | None = None
    """What told where the cluster is, if it was no connection of its own."""

    @property
    def configuration(self) -> Configuration:
        return self.client.configuration

    def expired(self, *, now: datetime) -> str | None:
        """Which credential is over, since when; None: none of those that say it is."""
        for name, end in _ends(self.configuration):
            if end <= now:
                ago = timedelta(seconds=int((now - end).total_seconds()))
                return f"the {name} expired at {end:%Y-%m-%dT%H:%M:%SZ}, {ago} ago"
        return None


def connect(kubernetes_conn_id: str, *, patience: timedelta) -> KubeConnection:
    """The cluster's connection; `patience` is for each answer of a management cluster."""
    management = read_settings().management_cluster_conn_id
    try:
        extra = find_connection(kubernetes_conn_id, kind="kubernetes").extra_dejson
    except ConnectionNotGivenError:
        if not management or management == kubernetes_conn_id:
            raise
        return _by_cluster_api(kubernetes_conn_id, management=management, patience=patience)
    hook = KubernetesHook(kubernetes_conn_id=kubernetes_conn_id)
    # Without a configuration of its own, the loader writes the process's default, and two clusters
    # overwrite each other. In-cluster loading knows only that default.
    if not any(extra.get(name) for name in _IN_CLUSTER):
        hook.client_configuration = Configuration()
    return KubeConnection(hook.get_conn(), extra)


def _by_cluster_api(cluster: str, *, management: str, patience: timedelta) -> KubeConnection:
    # It is asked through a connection of its own, so it comes after this module.
    from airflow_transition.hooks.management_cluster import (  # noqa: PLC0415 - see above
        ManagementCluster,
    )

    asked = ManagementCluster(
        management, namespace=read_settings().management_cluster_namespace, patience=patience
    )
    text = asked.kubeconfig(cluster)
    client = client_of(read_kubeconfig(text, where=asked.secret_of(cluster)))
    extra = find_connection(management, kind="kubernetes").extra_dejson
    return KubeConnection(client, extra, found_by=asked.secret_of(cluster))


def client_of(access: ClusterAccess) -> ApiClient:
    """A client whose secrets are in memory only, as long as it lives."""
    configuration = Configuration()
    configuration.host = access.server
    configuration.tls_server_name = access.tls_server_name
    for attribute, pem in (
        ("ssl_ca_cert", access.ca_pem),
        ("cert_file", access.certificate_pem),
        ("key_file", access.key_pem),
    ):
        if pem:
            setattr(configuration, attribute, memory_file(pem, lives_with=configuration))
    if access.token:
        configuration.api_key["BearerToken"] = f"Bearer {access.token}"
    return ApiClient(configuration)


def _ends(configuration: Configuration) -> list[tuple[str, datetime]]:
    """Credentials that say when they end."""
    token = configuration.api_key.get("BearerToken") or configuration.api_key.get("authorization")
    ends = {
        "token": _token_end(str(token or "").rpartition(" ")[2]),
        "client certificate": _certificate_end(configuration.cert_file),
    }
    return [(name, end) for name, end in ends.items() if end is not None]


def _token_end(token: str) -> datetime | None:
    """The `exp` of a JWT, as Kubernetes gives them; other tokens do not say."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(int(payload["exp"]), UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, binascii.Error):
        return None


def _certificate_end(file: str | None) -> datetime | None:
    if not file:
        return None
    from cryptography import x509  # noqa: PLC0415 - only where a credential was refused

    try:
        return x509.load_pem_x509_certificate(Path(file).read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None
