import json
import socket
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks import kube_api, kubelet
from airflow_transition.hooks.kubelet import KubeletHook

from .conftest import RECORDED, TOKEN, Exchange, bearer, connect

POD = "video-85f5b48bb5-b5dgv"
ARCHIVE = f"/var/lib/kubelet/checkpoints/checkpoint-{POD}_shop-app-2026-11-23T03:04:47Z.tar"
PATH = f"/api/v1/nodes/node-a/proxy/checkpoint/shop/{POD}/app"
TEN_SECONDS = timedelta(seconds=10)


def checkpoint(cluster: str, *, timeout: timedelta = TEN_SECONDS) -> list[str]:
    return KubeletHook(cluster).checkpoint(
        node="node-a", namespace="shop", pod=POD, container="app", timeout=timeout
    )


@pytest.mark.parametrize("name", ["checkpoint-ok.json", "kubelet-200.json"])
def test_a_recorded_success_gives_the_paths_of_the_archive(
    name: str, cluster: str, httpserver: HTTPServer
) -> None:
    exchange = Exchange.load(name)
    httpserver.expect_oneshot_request(
        PATH, method="POST", query_string={"timeout": "10"}
    ).respond_with_response(exchange.response())

    assert checkpoint(cluster) == json.loads(exchange.body)["items"]


RECORDED_REFUSALS = {
    "proxy-401-bad-token.json": (kube_api.TokenRefusedError, "put a valid token into"),
    "proxy-403-no-nodes-proxy.json": (kube_api.NotAllowedError, "`create` on `nodes/proxy`"),
    "proxy-404-bad-timeout.json": (
        kubelet.CheckpointTimeoutInvalidError,
        "cannot read the timeout",
    ),
    "proxy-404-unknown-container.json": (kubelet.ContainerUnknownError, "container nocontainer"),
    "proxy-404-unknown-node.json": (kubelet.NodeGoneError, 'nodes "nonode" not found'),
    "proxy-404-unknown-pod.json": (kubelet.PodGoneError, "looks it up again"),
    "kubelet-401.json": (kube_api.TokenRefusedError, "kubelet-client-certificate"),
    "kubelet-403.json": (kube_api.NotAllowedError, "`create` on `nodes/checkpoint`"),
    "kubelet-pods-403.json": (kube_api.NotAllowedError, "serviceaccount:default:direct"),
    "kubelet-pods.json": (kube_api.UnreadableAnswerError, "names no archive of this container"),
}


def failure(cluster: str, httpserver: HTTPServer, response: Response) -> Exception:
    httpserver.expect_request(PATH, method="POST").respond_with_response(response)
    with pytest.raises((PermanentError, TemporaryError)) as raised:
        checkpoint(cluster)
    assert TOKEN not in str(raised.value)
    assert "cluster 'cluster1-azure': POST /api/v1/nodes/node-a" in str(raised.value)
    return raised.value


@pytest.mark.parametrize("name", RECORDED_REFUSALS)
def test_a_recorded_refusal_has_its_name_and_says_what_to_do(
    name: str, cluster: str, httpserver: HTTPServer
) -> None:
    error, told = RECORDED_REFUSALS[name]
    raised = failure(cluster, httpserver, Exchange.load(name).response())
    assert type(raised) is error
    assert told in str(raised)


def test_every_recorded_exchange_with_a_kubelet_is_tested() -> None:
    recorded = {p.name for pattern in ("proxy-*", "kubelet-*") for p in RECORDED.glob(pattern)}
    assert recorded == {*RECORDED_REFUSALS, "kubelet-200.json"}


FAILED = f"checkpointing of shop/{POD}/app failed "
UNREACHABLE = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "message": "error trying to reach service: connect: connection refused",
    "reason": "ServiceUnavailable",
    "code": 503,
}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, "404 page not found", kubelet.CheckpointDisabledError),
        (500, f"{FAILED}(container app not found)", kubelet.ContainerNotRunningError),
        (
            500,
            f"{FAILED}(rpc error: criu binary not found in shim path or system PATH)",
            kubelet.CriuMissingError,
        ),
        (
            500,
            f"{FAILED}(rpc error: code = Unknown desc = criu failed: type DUMP errno 0)",
            kubelet.CheckpointFailedError,
        ),
        (
            500,
            f"{FAILED}(rpc error: code = Unimplemented desc = unknown method CheckpointContainer)",
            kubelet.CheckpointUnsupportedError,
        ),
        (
            500,
            f"{FAILED}(rpc error: code = Unknown desc = rename: no such file or directory)",
            kubelet.CheckpointFailedError,
        ),
        (503, json.dumps(UNREACHABLE), kubelet.NodeUnreachableError),
        (502, "Bad Gateway", kubelet.NodeUnreachableError),
        (200, "<html>sign in</html>", kube_api.UnreadableAnswerError),
        (200, '{"items":["/tmp/other.tar"]}', kube_api.UnreadableAnswerError),
        (200, '{"items":[]}', kube_api.UnreadableAnswerError),
    ],
)
def test_an_answer_that_was_not_recorded_has_its_name_too(
    status: int, body: str, error: type[Exception], cluster: str, httpserver: HTTPServer
) -> None:
    raised = failure(cluster, httpserver, Response(body, status=status))
    assert type(raised) is error


@pytest.mark.parametrize(
    "error",
    [
        kubelet.PodGoneError,
        kubelet.NodeGoneError,
        kubelet.ContainerNotRunningError,
        kubelet.CheckpointFailedError,
        kubelet.CheckpointTimeoutError,
        kubelet.NodeUnreachableError,
    ],
)
def test_what_a_fresh_attempt_can_find_changed_is_temporary(error: type[Exception]) -> None:
    assert issubclass(error, TemporaryError)


def test_a_refused_token_is_read_anew_once(
    monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    name = connect(monkeypatch, "renewed", httpserver.url_for("/"), token="expired")
    seen = []

    def answer(request: Request) -> Response:
        seen.append(bearer(request))
        if seen[-1] == "expired":
            connect(monkeypatch, "renewed", httpserver.url_for("/"), token="fresh")
            return Exchange.load("proxy-401-bad-token.json").response()
        return Exchange.load("checkpoint-ok.json").response()

    httpserver.expect_request(PATH).respond_with_handler(answer)
    assert checkpoint(name) == [ARCHIVE]
    assert seen == ["expired", "fresh"]


def test_two_clusters_keep_their_own_credentials(
    monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    seen = []

    def answer(request: Request) -> Response:
        seen.append(bearer(request))
        return Exchange.load("checkpoint-ok.json").response()

    httpserver.expect_request(PATH).respond_with_handler(answer)
    for name in ("one", "two"):
        connect(monkeypatch, name, httpserver.url_for("/"), token=f"token-{name}")
    one, two = KubeletHook("one"), KubeletHook("two")
    for hook in (one, two, one):
        hook.checkpoint(
            node="node-a", namespace="shop", pod=POD, container="app", timeout=TEN_SECONDS
        )
    assert seen == ["token-one", "token-two", "token-one"]


def test_an_answer_that_does_not_come_in_time_is_not_taken_for_a_failed_dump(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = connect(monkeypatch, "silent", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(kubelet.CheckpointTimeoutError, match="may still be writing"):
            checkpoint(name, timeout=timedelta(milliseconds=200))


def test_an_api_server_that_is_down_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    name = connect(monkeypatch, "down", f"http://127.0.0.1:{port}")
    with pytest.raises(kube_api.ApiUnreachableError, match="Connection refused") as raised:
        checkpoint(name)
    assert isinstance(raised.value, TemporaryError)
    assert "0x" not in str(raised.value)
