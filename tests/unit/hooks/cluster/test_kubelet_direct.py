"""The direct road: the kubelet itself, its serving certificate verified."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks import kube_api, kubelet, kubelet_road
from airflow_transition.hooks.kubelet import KubeletHook
from lab.certificates import Authority

from .conftest import RECORDED, TOKEN, Exchange, bearer, kubeconfig
from .rights import granted, right
from .test_kubelet import POD, TEN_SECONDS

PATH = f"/checkpoint/shop/{POD}/app"
HERE = "127.0.0.1"

Connect = Callable[..., str]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("cluster-ca")).open()


def serving(authority: Authority, *, address: str) -> Iterator[HTTPServer]:
    issued = authority.issue(f"kubelet-{address}", addresses=[address])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert_file, issued.key_file)
    with HTTPServer(host=HERE, port=0, ssl_context=context) as server:
        yield server


@pytest.fixture
def node(authority: Authority) -> Iterator[HTTPServer]:
    """A kubelet whose certificate is signed by the cluster's CA, for its own address."""
    yield from serving(authority, address=HERE)


@pytest.fixture
def other_node(authority: Authority) -> Iterator[HTTPServer]:
    """A kubelet that shows the certificate of another node."""
    yield from serving(authority, address="10.201.0.11")


@pytest.fixture
def connect_direct(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Connect:
    def connect(port: int, *, trusted: bool = True, token: str = TOKEN, **extra: Any) -> str:
        found = kubeconfig("https://api.invalid:6443", token=token)
        if trusted:
            found["clusters"][0]["cluster"]["certificate-authority"] = str(authority.ca_file)
        extra = {
            "kube_config": json.dumps(found),
            "checkpoint_road": "kubelet",
            "kubelet_port": port,
            **extra,
        }
        made = json.dumps({"conn_type": "kubernetes", "extra": extra})
        monkeypatch.setenv("AIRFLOW_CONN_CLUSTER1-AZURE", made)
        return "cluster1-azure"

    return connect


def checkpoint(cluster: str, *, address: str | None = HERE) -> list[str]:
    return KubeletHook(cluster).checkpoint(
        node="node-a",
        namespace="shop",
        pod=POD,
        container="app",
        timeout=TEN_SECONDS,
        address=address,
    )


def refused(cluster: str) -> PermanentError | TemporaryError:
    with pytest.raises((PermanentError, TemporaryError)) as raised:
        checkpoint(cluster)
    assert TOKEN not in str(raised.value)
    assert isinstance(raised.value, PermanentError | TemporaryError)
    return raised.value


def test_the_recorded_success_gives_the_archive_and_asks_for_one_right_only(
    node: HTTPServer, connect_direct: Connect
) -> None:
    exchange = Exchange.load("kubelet-200.json")
    asked = []

    def answer(request: Request) -> Response:
        asked.append((request.method, request.path, request.args["timeout"], bearer(request)))
        return exchange.response()

    node.expect_request(exchange.path).respond_with_handler(answer)
    assert checkpoint(connect_direct(node.port)) == json.loads(exchange.body)["items"]
    assert asked == [("POST", exchange.path, "10", TOKEN)]
    assert {right(method, path) for method, path, *_ in asked} == granted("checkpoint-direct")


KUBELETS_OWN = {
    "kubelet-401.json": (kube_api.TokenRefusedError, "authentication.webhook"),
    "kubelet-403.json": (kube_api.NotAllowedError, "components/checkpoint-direct"),
    "kubelet-pods-403.json": (kube_api.NotAllowedError, "serviceaccount:default:direct"),
    "kubelet-pods.json": (kube_api.UnreadableAnswerError, "names no archive of this container"),
    "proxy-404-bad-timeout.json": (kubelet.CheckpointTimeoutInvalidError, "report this"),
    "proxy-404-unknown-container.json": (kubelet.ContainerUnknownError, "container nocontainer"),
    "proxy-404-unknown-pod.json": (kubelet.PodGoneError, "looks it up again"),
}
"""What a kubelet says, also where it was recorded through the proxy."""
API_SERVERS_OWN = {
    "proxy-401-bad-token.json",
    "proxy-403-no-nodes-proxy.json",
    "proxy-404-unknown-node.json",
}


@pytest.mark.parametrize("name", KUBELETS_OWN)
def test_a_recorded_refusal_of_a_kubelet_has_its_name_and_the_cure_of_this_road(
    name: str, node: HTTPServer, connect_direct: Connect
) -> None:
    node.expect_request(PATH).respond_with_response(Exchange.load(name).response())
    error, told = KUBELETS_OWN[name]
    raised = refused(connect_direct(node.port))
    assert type(raised) is error
    assert told in str(raised)
    assert f"kubelet of node-a ({HERE}:{node.port}): POST {PATH}" in str(raised)


def test_every_recorded_exchange_that_a_kubelet_can_have_with_us_is_tested() -> None:
    recorded = {p.name for pattern in ("proxy-*", "kubelet-*") for p in RECORDED.glob(pattern)}
    assert recorded == {*KUBELETS_OWN, *API_SERVERS_OWN, "kubelet-200.json"}


def test_another_nodes_certificate_is_refused_before_a_token_is_sent(
    other_node: HTTPServer, connect_direct: Connect
) -> None:
    raised = refused(connect_direct(other_node.port))
    assert isinstance(raised, kubelet.KubeletCertificateError)
    assert isinstance(raised, PermanentError)
    assert "serverTLSBootstrap" in str(raised)
    assert not other_node.log


def test_a_certificate_of_another_ca_is_refused(
    node: HTTPServer, connect_direct: Connect, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other").open()
    cluster = connect_direct(node.port, kubelet_ca_file=str(other.ca_file))
    assert isinstance(refused(cluster), kubelet.KubeletCertificateError)
    assert not node.log


def test_a_ca_of_the_kubelets_own_can_be_named(
    node: HTTPServer, connect_direct: Connect, authority: Authority
) -> None:
    node.expect_request(PATH).respond_with_response(Exchange.load("kubelet-200.json").response())
    cluster = connect_direct(node.port, trusted=False, kubelet_ca_file=str(authority.ca_file))
    assert checkpoint(cluster)


def test_nothing_is_sent_where_no_ca_is_known(node: HTTPServer, connect_direct: Connect) -> None:
    raised = refused(connect_direct(node.port, trusted=False))
    assert isinstance(raised, kubelet_road.CheckpointRoadError)
    assert not node.log


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"checkpoint_road": "proxy"}, "write api-server or kubelet"),
        ({"kubelet_ca_file": "/nowhere/ca.crt"}, "no such file"),
        ({"kubelet_port": "https"}, "write a port's number"),
    ],
)
def test_an_extra_that_cannot_be_used_says_so(
    extra: dict[str, str], told: str, connect_direct: Connect
) -> None:
    raised = refused(connect_direct(1, **extra))
    assert isinstance(raised, kubelet_road.CheckpointRoadError)
    assert told in str(raised)


def test_a_pod_without_a_nodes_address_is_looked_up_again(connect_direct: Connect) -> None:
    with pytest.raises(kubelet_road.NodeAddressUnknownError) as raised:
        checkpoint(connect_direct(1), address=None)
    assert isinstance(raised.value, TemporaryError)


def test_a_kubelet_that_cannot_be_reached_names_the_other_road(connect_direct: Connect) -> None:
    with socket.create_server((HERE, 0)) as closed:
        port = closed.getsockname()[1]
    raised = refused(connect_direct(port))
    assert isinstance(raised, kubelet.NodeUnreachableError)
    assert "`checkpoint_road` to api-server" in str(raised)


def test_a_token_that_is_refused_is_read_anew_once(
    node: HTTPServer, connect_direct: Connect
) -> None:
    seen = []

    def answer(request: Request) -> Response:
        seen.append(bearer(request))
        if seen[-1] == "expired":
            connect_direct(node.port, token="fresh")
            return Exchange.load("kubelet-401.json").response()
        return Exchange.load("kubelet-200.json").response()

    node.expect_request(PATH).respond_with_handler(answer)
    assert checkpoint(connect_direct(node.port, token="expired"))
    assert seen == ["expired", "fresh"]
