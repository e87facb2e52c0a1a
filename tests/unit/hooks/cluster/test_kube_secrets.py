"""Secrets as an API server gives them."""

import base64

import pytest
from pytest_httpserver import HTTPServer

from airflow_transition.hooks.kube_api import NotAllowedError
from airflow_transition.hooks.kube_secrets import KubeSecrets, SecretUnreadableError

from .conftest import Exchange

PATH = "/api/v1/namespaces/default/secrets/git-user-secret"


def serve(httpserver: HTTPServer, **values: bytes) -> None:
    encoded = {key: base64.b64encode(value).decode() for key, value in values.items()}
    httpserver.expect_request(PATH).respond_with_json({"kind": "Secret", "data": encoded})


def test_a_secret_is_decoded(cluster: str, httpserver: HTTPServer) -> None:
    serve(httpserver, username=b"nephio", password=b"with a newline\n")
    found = KubeSecrets(cluster, namespace="default").find("git-user-secret")
    assert found is not None
    assert found.value("password") == "with a newline"
    assert found.name == "default/git-user-secret"


def test_a_missing_secret_is_no_error(cluster: str, httpserver: HTTPServer) -> None:
    httpserver.expect_request(PATH).respond_with_json({"kind": "Status"}, status=404)
    assert KubeSecrets(cluster, namespace="default").find("git-user-secret") is None


def test_a_refusal_has_its_name(cluster: str, httpserver: HTTPServer) -> None:
    refused = Exchange.load("proxy-403-no-nodes-proxy.json").response()
    httpserver.expect_request(PATH).respond_with_response(refused)
    with pytest.raises(NotAllowedError):
        KubeSecrets(cluster, namespace="default").find("git-user-secret")


def test_what_is_no_text_is_refused_without_being_shown(
    cluster: str, httpserver: HTTPServer
) -> None:
    serve(httpserver, password=b"\xff\xfeso-secret")
    with pytest.raises(SecretUnreadableError) as raised:
        KubeSecrets(cluster, namespace="default").find("git-user-secret")
    assert "so-secret" not in str(raised.value)
    assert "key password" in str(raised.value)
    assert raised.value.__context__ is None or raised.value.__suppress_context__
