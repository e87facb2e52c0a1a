"""Answers of S3 servers that no server here gives on demand, over real HTTP."""

import json
import re

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.restore_points import ContainerCheckpoint, RestorePoint
from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
from airflow_transition.hooks.connection import ConnectionNotGivenError
from airflow_transition.hooks.store_errors import (
    StoreDeniedError,
    StoreRefusedError,
    StoreTlsError,
    StoreUnavailableError,
)
from tests.unit.hooks.image.conftest import CREATED, node, record_of

_ANY = re.compile("/.*")
SECRET = "secret-that-no-message-may-show"


@pytest.fixture
def store(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> CheckpointStoreHook:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return connect(monkeypatch, httpserver.url_for("/"))


def connect(monkeypatch: pytest.MonkeyPatch, url: str) -> CheckpointStoreHook:
    connection = {
        "conn_type": "aws",
        "login": "access",
        "password": SECRET,
        "extra": {"endpoint_url": url, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_TRANSITION_S3", json.dumps(connection))
    return CheckpointStoreHook()


def refusal(status: int, code: str) -> Response:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
    return Response(body, status=status, content_type="application/xml")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", StoreDeniedError),
        (403, "RequestTimeTooSkewed", StoreDeniedError),
        (400, "ExpiredToken", StoreDeniedError),
        (400, "InvalidArgument", StoreRefusedError),
        (500, "InternalError", StoreUnavailableError),
        (503, "SlowDown", StoreUnavailableError),
        (400, "RequestTimeout", StoreUnavailableError),
    ],
)
def test_each_refusal_has_its_name(
    store: CheckpointStoreHook,
    httpserver: HTTPServer,
    status: int,
    code: str,
    expected: type[Exception],
) -> None:
    httpserver.expect_request("/checkpoints/x.json").respond_with_response(refusal(status, code))
    with pytest.raises(expected, match=r"s3://checkpoints/x\.json.*" + code) as caught:
        store.find_record("x.json")
    assert isinstance(caught.value, PermanentError | TemporaryError)
    assert SECRET not in str(caught.value)


def test_no_endpoint_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreUnavailableError):
        connect(monkeypatch, "http://127.0.0.1:1").find_record("x.json")


def test_an_endpoint_without_tls_is_permanent(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = connect(monkeypatch, f"https://{httpserver.host}:{httpserver.port}")
    with pytest.raises(StoreTlsError):
        store.find_record("x.json")


def test_an_endpoint_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreRefusedError):
        connect(monkeypatch, "not an address").find_record("x.json")


def test_a_store_without_conditional_writes_keeps_restore_points(
    store: CheckpointStoreHook, httpserver: HTTPServer
) -> None:
    kept: dict[str, bytes] = {}

    def serve(request: Request) -> Response:
        if request.method == "GET":
            content = kept.get(request.path)
            return refusal(404, "NoSuchKey") if content is None else Response(content)
        if "If-None-Match" in request.headers:
            return refusal(501, "NotImplemented")
        kept[request.path] = request.get_data()
        return Response()

    httpserver.expect_request(_ANY).respond_with_handler(serve)
    point = RestorePoint(
        policy="p",
        package="video",
        cluster="cluster1-azure",
        namespace="shop",
        workload_kind="Deployment",
        workload="video",
        pod="video-0",
        created=CREATED,
        containers=(
            ContainerCheckpoint(
                container="app",
                record_key="x",
                digest=record_of(b"x").digest,
                size_bytes=1,
                image=f"a.example/b@sha256:{'0' * 64}",
                base_image=record_of(b"x").base_image,
            ),
        ),
        node=node(),
    )
    store.put_restore_point(point)
    assert store.get_restore_point(point.id) == point


def test_without_its_connection_the_store_is_not_amazons_own() -> None:
    with pytest.raises(ConnectionNotGivenError, match="connection nowhere"):
        _ = CheckpointStoreHook("nowhere").client
