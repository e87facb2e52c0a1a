"""The second signal of a fault: what a cluster's API server shows when it is asked from here.

  GET    /version                    any answer is an answer: a refused token or 403 is not silence
  GET    /api/v1/nodes               only where it answers: which Node objects are not Ready

Only what an API server that is gone looks like counts as silence. Where the question itself could
not be put (no connection, no name service, a certificate that is not trusted) nothing is known.
"""

import socket
import ssl
import time
from collections.abc import Collection, Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import urllib3
from airflow.sdk import BaseHook

from airflow_transition.core.cluster_health import ApiSign, SecondSignal
from airflow_transition.core.errors import TransitionError
from airflow_transition.hooks.kube_api import ApiUnreachableError, KubeApi

_GATEWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""What the load balancer in front of a dead API server answers."""
_PAGE = 250
_LOOK_UP_SHARE = 2
_CAUSES_MAX = 20
_SEEN_CHARS = 160


class SecondSignalHook(BaseHook):
    """Asks one cluster's API server whether it is there; its client is built once."""

    def __init__(self, kubernetes_conn_id: str) -> None:
        super().__init__()
        self.kubernetes_conn_id = kubernetes_conn_id
        self._api: KubeApi | None = None

    def ask(self, *, silent_nodes: Collection[str], timeout: timedelta) -> SecondSignal:
        """What it shows now. `timeout` is for each of its answers; nothing is raised.

        `silent_nodes` are those whose Node objects are looked for: a node that has none is gone.
        """
        try:
            return self._ask(silent_nodes, timeout=timeout)
        except Exception as error:  # noqa: BLE001 - whatever a connection may hold proves nothing
            return SecondSignal(ApiSign.NOT_KNOWN, _shown(error))

    def _ask(self, silent_nodes: Collection[str], *, timeout: timedelta) -> SecondSignal:
        api = self._connected(timeout)
        try:
            answer = api.send("GET", "/version", timeout=timeout)
        except ApiUnreachableError as error:
            return _of_failure(error)
        if answer.status in _GATEWAY:
            return SecondSignal(ApiSign.SILENT, f"{answer.status} from what stands before it")
        if not silent_nodes:
            return SecondSignal(ApiSign.ANSWERS, f"{answer.status}")
        try:
            ready = dict(_ready_by_name(api, timeout=timeout))
        except TransitionError as error:
            return SecondSignal(ApiSign.ANSWERS, f"nodes not listed: {_shown(error)}")
        not_ready = frozenset(name for name, is_ready in ready.items() if not is_ready)
        not_ready |= frozenset(silent_nodes) - ready.keys()
        if not_ready.isdisjoint(silent_nodes):
            return SecondSignal(ApiSign.ANSWERS, f"{answer.status}", not_ready)
        return SecondSignal(ApiSign.NODES_NOT_READY, "", not_ready)

    def _connected(self, timeout: timedelta) -> KubeApi:
        """Looked up before anything is asked, so that no failure of that is taken for silence.

        A management cluster that has to be asked gets a part of the time: whoever waits for the
        second signal takes a question that hangs for silence.
        """
        if self._api is None:
            api = KubeApi(self.kubernetes_conn_id, patience=timeout / _LOOK_UP_SHARE)
            api.client()
            self._api = api
        return self._api


def _of_failure(error: ApiUnreachableError) -> SecondSignal:
    """Silence, unless the failure is on this side."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError | urllib3.exceptions.ProxyError):
            return SecondSignal(ApiSign.NOT_KNOWN, _shown(error))
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN:
            return SecondSignal(ApiSign.NOT_KNOWN, "no name service here")
    return SecondSignal(ApiSign.SILENT, _in_short(error))


def _in_short(error: ApiUnreachableError) -> str:
    """The same words for the same failure: what changes is told anew."""
    causes = tuple(_causes(error))
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    for cause in causes:
        if isinstance(cause, urllib3.exceptions.ConnectTimeoutError):
            return "no connection in time"
        if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
            return "no answer in time"
    return type(error.__cause__ or error).__name__


def _ready_by_name(api: KubeApi, *, timeout: timedelta) -> Iterator[tuple[str, bool]]:
    """Every Node object, page by page, all within `timeout`."""
    deadline = time.monotonic() + timeout.total_seconds()
    page = {"limit": str(_PAGE)}
    while True:
        left = max(0.05, deadline - time.monotonic())
        found = api.read("/api/v1/nodes", query=page, timeout=timedelta(seconds=left))
        for node in found.get("items") or ():
            yield str(node["metadata"]["name"]), _is_ready(node)
        following = (found.get("metadata") or {}).get("continue")
        if not following:
            return
        page["continue"] = following


def _is_ready(node: dict[str, Any]) -> bool:
    """Kubernetes marks a node that it has not heard from as Unknown."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from; urllib3 keeps some of it in `reason`."""
    waiting: list[BaseException] = [error]
    for _ in range(_CAUSES_MAX):
        if not waiting:
            return
        cause = waiting.pop()
        yield cause
        inner = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting += [each for each in inner if isinstance(each, BaseException)]


def _shown(error: Exception) -> str:
    text = (error.found or error.what) if isinstance(error, TransitionError) else str(error)
    return " ".join(text.split())[:_SEEN_CHARS]
