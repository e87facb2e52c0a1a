"""The two roads to a node's kubelet, and which one a cluster's connection has chosen.

`api-server`: through the API server's node proxy. It needs no way from here to the nodes, but
`nodes/proxy`, which is close to root on the node.
`kubelet`: to the kubelet itself, `https://<node's InternalIP>:10250`, with the connection's own
credentials. It needs `nodes/checkpoint` only, and a serving certificate that can be verified; one
that cannot be is refused, whatever the connection says of the API server's.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

import urllib3
from kubernetes.client import Configuration

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks.kube_api import KubeApi, Peer

KUBELET_PORT = 10250
_MAX_PORT = 65535
_CAUSES_MAX = 20


class CheckpointRoadError(PermanentError):
    """The connection's extra does not say how kubelets are reached."""


class NodeAddressUnknownError(TemporaryError):
    """The pod does not say yet on which address its node is."""


class Road(StrEnum):
    """Values of the connection's extra `checkpoint_road`."""

    API_SERVER = "api-server"
    KUBELET = "kubelet"


@dataclass(frozen=True)
class Call:
    """One checkpoint call as its road has it."""

    path: str
    where: str
    peer: Peer | None = None
    """None: the API server is asked."""


def road_of(api: KubeApi) -> Road:
    """What the cluster's connection has chosen."""
    chosen = api.connection().extra.get("checkpoint_road") or Road.API_SERVER
    try:
        return Road(chosen)
    except ValueError:
        raise _unusable(
            api, "checkpoint_road", found=str(chosen), do=f"write {' or '.join(Road)}"
        ) from None


def call_by(road: Road, api: KubeApi, *, node: str, address: str | None, names: str) -> Call:
    """How the container `names` (`namespace/pod/container`) on this node is checkpointed."""
    if road is Road.API_SERVER:
        path = f"/api/v1/nodes/{quote(node, safe='')}/proxy/checkpoint/{names}"
        return Call(path, where=api.where("POST", path))
    if not address:
        raise NodeAddressUnknownError(
            "the pod does not say its node's address",
            where=f"cluster {api.kubernetes_conn_id!r}: node {node}",
            found="no status.hostIP",
            do="nothing if it is starting; else look at the pod's events",
        )
    host = f"[{address}]" if ":" in address else address
    port, path = _port(api), f"/checkpoint/{names}"
    where = f"cluster {api.kubernetes_conn_id!r}: kubelet of {node} ({host}:{port}): POST {path}"
    ca_file = api.connection().extra.get("kubelet_ca_file")
    if ca_file and not Path(str(ca_file)).is_file():
        raise _unusable(api, "kubelet_ca_file", found="no such file", do="correct its path")
    peer = Peer(f"https://{host}:{port}", open=lambda found: _open(found, ca_file, api=api))
    return Call(path, where=where, peer=peer)


def _open(
    configuration: Configuration, ca_file: str | None, *, api: KubeApi
) -> urllib3.PoolManager:
    ca = ca_file or configuration.ssl_ca_cert
    if not ca:
        raise _unusable(
            api,
            "kubelet_ca_file",
            found="none, and no CA of the cluster in its connection",
            do="name the CA that signs the kubelets' serving certificates",
        )
    return urllib3.PoolManager(
        cert_reqs=ssl.CERT_REQUIRED,
        ca_certs=ca,
        cert_file=configuration.cert_file,
        key_file=configuration.key_file,
    )


def is_untrusted(error: BaseException) -> bool:
    """Whether a connection failed because the server's certificate does not prove who it is."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting: list[BaseException] = [error]
    for _ in range(_CAUSES_MAX):
        if not waiting:
            return
        cause = waiting.pop()
        yield cause
        inner = (cause.__cause__, getattr(cause, "reason", None), *cause.args)
        waiting += [each for each in inner if isinstance(each, BaseException)]


def _port(api: KubeApi) -> int:
    chosen = api.connection().extra.get("kubelet_port") or KUBELET_PORT
    try:
        port = int(chosen)
    except (TypeError, ValueError):
        port = 0
    if not 0 < port <= _MAX_PORT:
        raise _unusable(api, "kubelet_port", found=str(chosen), do="write a port's number")
    return port


def _unusable(api: KubeApi, name: str, *, found: str, do: str) -> CheckpointRoadError:
    return CheckpointRoadError(
        f"the connection's extra `{name}` cannot be used",
        where=f"connection {api.kubernetes_conn_id}",
        found=found,
        do=do,
    )
