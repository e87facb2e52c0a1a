"""The exec stream is spoken by a real WebSocket server."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.hooks.kube_api import ApiUnreachableError, NotAllowedError
from airflow_transition.hooks.quiesce import PodExec, PodRequest, QuiesceFailedError
from airflow_transition.hooks.workloads import Pod, read_pod

from .api_server import pod, status
from .conftest import TOKEN, connect

POD: Pod = read_pod(pod("video-1-a"), current=True)
SECOND = timedelta(seconds=1)
CLOSE = PodRequest(port=8080, path="/admin/close?now=1", method="POST", timeout=SECOND)
STOP = PodExec(container="app", command=("stop", "--all now"), timeout=SECOND)
PROXY = "/api/v1/namespaces/shop/pods/video-1-a:8080/proxy/admin/close"

Speak = Callable[[ServerConnection], None]


@contextmanager
def exec_server(speak: Speak, *, refuse: HTTPStatus | None = None) -> Iterator[str]:
    def process(connection: ServerConnection, _request: object):  # noqa: ANN202
        return connection.respond(refuse, "no") if refuse else None

    protocols = ["v4.channel.k8s.io"]
    with serve(speak, "127.0.0.1", 0, subprotocols=protocols, process_request=process) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def ends_with(code: int, *, stderr: bytes = b"") -> Speak:
    def speak(connection: ServerConnection) -> None:
        if stderr:
            connection.send(b"\x02" + stderr)
        ended = {"status": "Success"}
        if code:
            causes = [{"reason": "ExitCode", "message": str(code)}]
            ended = {"status": "Failure", "details": {"causes": causes}}
        connection.send(b"\x03" + json.dumps(ended).encode())

    return speak


def run_exec(monkeypatch: pytest.MonkeyPatch, url: str, *, timeout: timedelta = SECOND) -> None:
    hook = ClusterHook(connect(monkeypatch, "exec", url))
    hook.run_hook(POD, PodExec(container="app", command=STOP.command, timeout=timeout))


def test_a_command_runs_in_its_container_with_its_arguments_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def speak(connection: ServerConnection) -> None:
        asked.append(connection.request)
        ends_with(0)(connection)

    with exec_server(speak) as url:
        run_exec(monkeypatch, url)
    path = urlsplit(asked[0].path)
    assert path.path == "/api/v1/namespaces/shop/pods/video-1-a/exec"
    assert parse_qs(path.query)["command"] == ["stop", "--all now"]
    assert parse_qs(path.query)["container"] == ["app"]
    assert asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_command_that_fails_says_its_status_and_its_complaint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        exec_server(ends_with(3, stderr=b"still busy")) as url,
        pytest.raises(QuiesceFailedError, match="exit status 3: still busy"),
    ):
        run_exec(monkeypatch, url)


def test_a_command_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(connection: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed):
            connection.recv()

    with exec_server(hang) as url, pytest.raises(QuiesceFailedError, match=r"not ended after 0.2"):
        run_exec(monkeypatch, url, timeout=timedelta(seconds=0.2))


def test_a_stream_that_breaks_off_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        exec_server(lambda _connection: None) as url,
        pytest.raises(QuiesceFailedError, match="without an exit status"),
    ):
        run_exec(monkeypatch, url)


def test_a_command_that_may_not_run_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        exec_server(ends_with(0), refuse=HTTPStatus.FORBIDDEN) as url,
        pytest.raises(NotAllowedError, match="exec in shop/video-1-a/app") as raised,
    ):
        run_exec(monkeypatch, url)
    assert TOKEN not in str(raised.value)


def test_an_api_server_that_is_away_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ApiUnreachableError):
        run_exec(monkeypatch, "http://127.0.0.1:1")


def test_a_request_reaches_the_pod_through_the_api_server(
    cluster: str, httpserver: HTTPServer
) -> None:
    httpserver.expect_oneshot_request(PROXY, method="POST", query_string="now=1").respond_with_data(
        ""
    )
    ClusterHook(cluster).run_hook(POD, CLOSE)
    httpserver.check()


def test_a_request_that_the_application_refuses_is_a_failed_hook(
    cluster: str, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(PROXY).respond_with_data("not now", status=409)
    with pytest.raises(QuiesceFailedError, match="409 not now"):
        ClusterHook(cluster).run_hook(POD, CLOSE)


def test_a_request_that_the_api_server_refuses_is_not_the_applications_fault(
    cluster: str, httpserver: HTTPServer
) -> None:
    refused = status(403, 'pods "video-1-a" is forbidden: cannot create resource "pods/proxy"')
    httpserver.expect_request(PROXY).respond_with_response(refused)
    with pytest.raises(NotAllowedError, match="pods/proxy"):
        ClusterHook(cluster).run_hook(POD, CLOSE)
