"""A kubeconfig as Cluster API writes it: where a cluster is, and one credential, all in the text.

What would make a worker run a program, read its own files or trust anybody is refused: whoever may
write the Secret is not meant to get more than the cluster. Messages name fields, never values.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from airflow_transition.core.errors import PermanentError

MAX_BYTES = 1024 * 1024
"""What a Secret may hold."""

_CLUSTER_FIELDS = frozenset({"server", "certificate-authority-data", "tls-server-name"})
_USER_FIELDS = frozenset({"token", "client-certificate-data", "client-key-data"})
_HARMLESS = frozenset({"extensions", "disable-compression", "insecure-skip-tls-verify"})
"""The last one as `false` only."""


class KubeconfigUnusableError(PermanentError):
    """The kubeconfig does not lead to a cluster, or asks for what is refused."""


@dataclass(frozen=True)
class ClusterAccess:
    """How to reach one API server; whatever is secret is in no `repr`."""

    server: str
    ca_pem: str | None = None
    tls_server_name: str | None = None
    token: str | None = field(default=None, repr=False)
    certificate_pem: str | None = field(default=None, repr=False)
    key_pem: str | None = field(default=None, repr=False)


def read_kubeconfig(text: str, *, where: str) -> ClusterAccess:
    """What the kubeconfig's current context says."""
    if len(text) > MAX_BYTES:
        raise _unusable("is too large", where=where, found=f"{len(text)} characters")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        # Not chained: its message quotes the text.
        raise _unusable("is no YAML", where=where) from None
    if not isinstance(document, Mapping):
        raise _unusable("is no mapping", where=where)
    context = _context(document, where=where)
    cluster = _named(document, "clusters", context.get("cluster"), inner="cluster", where=where)
    user = _named(document, "users", context.get("user"), inner="user", where=where)
    _refuse_others(cluster, _CLUSTER_FIELDS, kind="cluster", where=where)
    _refuse_others(user, _USER_FIELDS, kind="user", where=where)
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith(("https://", "http://")):
        raise _unusable("names no server", where=where, found="cluster.server")
    return ClusterAccess(
        server=server,
        ca_pem=_pem(cluster, "certificate-authority-data", where=where),
        tls_server_name=cluster.get("tls-server-name") or None,
        token=user.get("token") or None,
        certificate_pem=_pem(user, "client-certificate-data", where=where),
        key_pem=_pem(user, "client-key-data", where=where),
    )


def _context(document: Mapping[str, Any], *, where: str) -> Mapping[str, Any]:
    contexts = document.get("contexts")
    name = document.get("current-context")
    if not name and isinstance(contexts, list) and len(contexts) == 1:
        name = contexts[0].get("name") if isinstance(contexts[0], Mapping) else None
    return _named(document, "contexts", name, inner="context", where=where)


def _named(
    document: Mapping[str, Any], entries: str, name: object, *, inner: str, where: str
) -> Mapping[str, Any]:
    listed = document.get(entries)
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping) and entry.get("name") == name:
            found = entry.get(inner)
            if isinstance(found, Mapping):
                return found
    raise _unusable(f"has no {inner} for its current context", where=where)


def _refuse_others(
    part: Mapping[str, Any], known: frozenset[str], *, kind: str, where: str
) -> None:
    refused = sorted(str(name) for name in part.keys() - known - _HARMLESS)
    if part.get("insecure-skip-tls-verify"):
        refused.append("insecure-skip-tls-verify")
    if refused:
        raise _unusable(
            "asks for what is refused from a Secret",
            where=where,
            found=", ".join(f"{kind}.{name}" for name in refused),
        )


def _pem(part: Mapping[str, Any], name: str, *, where: str) -> str | None:
    encoded = part.get(name)
    if not encoded:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode("ascii")
    except (TypeError, ValueError, binascii.Error):
        raise _unusable("holds what is no base64 of a PEM", where=where, found=name) from None


def _unusable(what: str, *, where: str, found: str | None = None) -> KubeconfigUnusableError:
    return KubeconfigUnusableError(
        f"the kubeconfig {what}",
        where=where,
        found=found,
        do="see who writes it; or give the cluster an Airflow connection of its own",
    )
