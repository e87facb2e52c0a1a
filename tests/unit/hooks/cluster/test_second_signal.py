"""The second signal: only what a dead API server looks like is silence."""

import json
import re
import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.core.cluster_health import ApiSign
from airflow_transition.hooks.second_signal import SecondSignalHook

from .api_server import answer, status
from .conftest import TOKEN, Exchange, connect

SOON = timedelta(seconds=0.3)
NODES = "/api/v1/nodes"


def node(name: str, *, ready: str = "True") -> dict[str, object]:
    conditions = [{"type": "Ready", "status": ready}]
    return {"metadata": {"name": name}, "status": {"conditions": conditions}}


def serve(httpserver: HTTPServer, *nodes: dict[str, object]) -> None:
    httpserver.expect_request("/version").respond_with_json({"major": "1"})
    httpserver.expect_request(NODES).respond_with_json({"metadata": {}, "items": list(nodes)})


@pytest.fixture
def dropping() -> Iterator[int]:
    """A port that takes no connection and refuses none, as packets that are dropped look."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(("127.0.0.1", port))
        yield port
        for each in waiting:
            each.close()


def test_a_real_api_servers_answers_are_understood(cluster: str, httpserver: HTTPServer) -> None:
    for name in ("version.json", "list-nodes.json"):
        recorded = Exchange.load(name)
        httpserver.expect_request(recorded.path).respond_with_response(recorded.response())
    hook = SecondSignalHook(cluster)
    assert hook.ask(silent_nodes=["node-a"], timeout=SOON).sign is ApiSign.ANSWERS
    gone = hook.ask(silent_nodes=["node-a", "node-gone"], timeout=SOON)
    assert (gone.sign, gone.nodes_not_ready) == (
        ApiSign.NODES_NOT_READY,
        frozenset({"node-gone"}),
    )


@pytest.mark.parametrize("ready", ["Unknown", "False"])
def test_node_objects_that_are_not_ready_are_named(
    cluster: str, httpserver: HTTPServer, ready: str
) -> None:
    serve(httpserver, node("n1", ready=ready), node("n2"))
    hook = SecondSignalHook(cluster)
    said = hook.ask(silent_nodes=["n1"], timeout=SOON)
    assert (said.sign, said.nodes_not_ready) == (ApiSign.NODES_NOT_READY, frozenset({"n1"}))
    assert hook.ask(silent_nodes=["n2"], timeout=SOON).sign is ApiSign.ANSWERS


def test_a_refused_connection_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        said = SecondSignalHook(connect(monkeypatch, "west", url)).ask(
            silent_nodes=["n1"], timeout=SOON
        )
    assert said.sign is ApiSign.SILENT
    assert said.seen == "connection refused"


def test_dropped_packets_are_silence_after_the_time_that_was_given(
    monkeypatch: pytest.MonkeyPatch, dropping: int
) -> None:
    hook = SecondSignalHook(connect(monkeypatch, "west", f"http://127.0.0.1:{dropping}"))
    said = hook.ask(silent_nodes=["n1"], timeout=SOON)
    assert said.sign is ApiSign.SILENT
    assert said.seen == "no connection in time"


@pytest.mark.parametrize("code", [502, 503, 504])
def test_a_load_balancer_without_an_api_server_behind_it_is_silence(
    cluster: str, httpserver: HTTPServer, code: int
) -> None:
    httpserver.expect_request("/version").respond_with_data("no backend", status=code)
    said = SecondSignalHook(cluster).ask(silent_nodes=["n1"], timeout=SOON)
    assert said.sign is ApiSign.SILENT


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500])
def test_a_refusal_is_an_answer(cluster: str, httpserver: HTTPServer, code: int) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_response(status(code, "no"))
    said = SecondSignalHook(cluster).ask(silent_nodes=["n1"], timeout=SOON)
    assert said.sign is ApiSign.ANSWERS
    assert "nodes not listed" in said.seen


def test_all_pages_of_nodes_are_read(cluster: str, httpserver: HTTPServer) -> None:
    def pages(request: Request) -> Response:
        if request.args.get("continue") == "more":
            return answer({"metadata": {}, "items": [node("n2")]})
        return answer({"metadata": {"continue": "more"}, "items": [node("n1")]})

    serve(httpserver)
    httpserver.clear()
    httpserver.expect_request("/version").respond_with_json({})
    httpserver.expect_request(NODES).respond_with_handler(pages)
    hook = SecondSignalHook(cluster)
    assert hook.ask(silent_nodes=["n2"], timeout=SOON).sign is ApiSign.ANSWERS


def test_a_cluster_without_a_connection_is_not_known() -> None:
    said = SecondSignalHook("nowhere").ask(silent_nodes=["n1"], timeout=SOON)
    assert said.sign is ApiSign.NOT_KNOWN


@pytest.mark.parametrize("kube_config", ["{}", "not yaml: ["])
def test_a_connection_that_leads_nowhere_is_not_known(
    monkeypatch: pytest.MonkeyPatch, kube_config: str
) -> None:
    made = {"conn_type": "kubernetes", "extra": {"kube_config": kube_config}}
    monkeypatch.setenv("AIRFLOW_CONN_WEST", json.dumps(made))
    said = SecondSignalHook("west").ask(silent_nodes=["n1"], timeout=SOON)
    assert said.sign is ApiSign.NOT_KNOWN


def test_no_secret_is_in_what_people_see(cluster: str, httpserver: HTTPServer) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_response(status(500, "broken"))
    assert TOKEN not in str(SecondSignalHook(cluster).ask(silent_nodes=["n1"], timeout=SOON))


def test_a_name_service_that_is_away_is_not_the_clusters_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    hook = SecondSignalHook(connect(monkeypatch, "west", "http://api.example"))
    monkeypatch.setattr(socket, "getaddrinfo", away)
    assert hook.ask(silent_nodes=["n1"], timeout=SOON).sign is ApiSign.NOT_KNOWN
