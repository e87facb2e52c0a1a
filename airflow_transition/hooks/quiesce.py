"""Run a package's own hook: around a checkpoint, or to stop taking work and to take it again.

What it prints is shown in part, and only where it fails. A hook may be called twice (a task is
repeated after a crash) and must not mind.
"""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import websocket
from kubernetes.stream.ws_client import (
    ERROR_CHANNEL,
    STDERR_CHANNEL,
    WSClient,
    get_websocket_url,
)

from airflow_transition.core.errors import TemporaryError
from airflow_transition.core.redacted import redacted
from airflow_transition.hooks.kube_api import Answer, KubeApi, refusal
from airflow_transition.hooks.workloads import Pod

_SHOWN = 300
_READ = 4096
"""Characters of what a program printed that are looked through for secrets; fewer are shown."""


class QuiesceFailedError(TemporaryError):
    """The hook ran and did not succeed, or did not end in time."""


@dataclass(frozen=True)
class PodExec:
    """A command inside a container of the pod; exit status 0 is success."""

    container: str
    command: tuple[str, ...]
    timeout: timedelta


@dataclass(frozen=True)
class PodRequest:
    """An HTTP request to the pod, through the API server; 2xx is success."""

    port: int
    path: str
    method: str
    timeout: timedelta


class Quiescing:
    """Runs hooks in the pods of one cluster."""

    def __init__(self, api: KubeApi) -> None:
        self.api = api

    def run(self, pod: Pod, hook: PodExec | PodRequest) -> None:
        if isinstance(hook, PodExec):
            self._exec(pod, hook)
        else:
            self._request(pod, hook)

    def _request(self, pod: Pod, hook: PodRequest) -> None:
        path = (
            f"/api/v1/namespaces/{quote(pod.namespace, safe='')}/pods/"
            f"{quote(pod.name, safe='')}:{hook.port}/proxy/{hook.path.lstrip('/')}"
        )
        answer = self.api.send(hook.method, path, timeout=hook.timeout)
        where = self.api.where(hook.method, path.partition("?")[0])  # the rest may be a token
        if not answer.ok:
            raise _refused(answer, where=where)

    def _exec(self, pod: Pod, hook: PodExec) -> None:
        where = self.api.where("exec in", f"{pod.namespace}/{pod.name}/{hook.container}")
        seconds = hook.timeout.total_seconds()
        try:
            running = self._start(pod, hook)
            try:
                running.run_forever(timeout=seconds)
                failure = _exec_failure(running, seconds=seconds)
            finally:
                running.sock.shutdown()  # its close() leaves the socket to the garbage collector
        except (websocket.WebSocketException, OSError) as error:
            raise refusal(_handshake(error), where=where) from error
        if failure is not None:
            raise _failed(failure, where=where)

    def _start(self, pod: Pod, hook: PodExec) -> WSClient:
        # Not `stream()`: it turns a refused handshake into an AttributeError (client 36.0).
        client = self.api.client()
        path = f"/api/v1/namespaces/{quote(pod.namespace, safe='')}/pods/{quote(pod.name, safe='')}"
        query = [
            ("container", hook.container),
            *(("command", word) for word in hook.command),
            ("stdin", "false"),
            ("stdout", "false"),  # nobody reads it, and it would be kept in memory
            ("stderr", "true"),
            ("tty", "false"),
        ]
        headers: dict[str, str] = {}
        client.update_params_for_auth(headers, [], ["BearerToken"])
        url = get_websocket_url(f"{client.configuration.host.rstrip('/')}{path}/exec", query)
        # The client has no timeout of its own for connecting; this default is the only way.
        before = websocket.getdefaulttimeout()
        websocket.setdefaulttimeout(hook.timeout.total_seconds())
        try:
            return WSClient(client.configuration, url, headers, capture_all=False)
        finally:
            websocket.setdefaulttimeout(before)


def _exec_failure(running: WSClient, *, seconds: float) -> str | None:
    if running.is_open():
        return f"not ended after {seconds:g} s"
    if not running.peek_channel(ERROR_CHANNEL):
        return "the connection ended without an exit status"
    if running.returncode == 0:
        return None
    said = redacted(running.read_channel(STDERR_CHANNEL)[-_READ:], limit=_SHOWN)
    return f"exit status {running.returncode}: {said}"


def _handshake(error: Exception) -> Answer:
    """What the API server answered instead of a stream; no answer at all counts as 503."""
    if isinstance(error, websocket.WebSocketBadStatusException):
        body = error.resp_body or b""
        return Answer(status=error.status_code, text=body[:_SHOWN].decode(errors="replace"))
    return Answer(status=503, text=f"{type(error).__name__}: {error}")


def _refused(answer: Answer, *, where: str) -> Exception:
    """The API server's own refusal by its name; the application's as a failed hook."""
    if '"kind":"Status"' in answer.text.replace(" ", ""):
        return refusal(answer, where=where)
    said = redacted(answer.text[:_READ], limit=_SHOWN)
    return _failed(f"{answer.status} {said}", where=where)


def _failed(found: str, *, where: str) -> QuiesceFailedError:
    return QuiesceFailedError(
        "the package's own hook failed",
        where=where,
        found=found,
        do="check the hook in the policy against the application",
    )
