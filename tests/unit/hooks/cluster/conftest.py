import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

RECORDED = Path(__file__).parents[3] / "fixtures" / "kubernetes-1.36"
TOKEN = "token-that-no-message-may-show"


@dataclass(frozen=True)
class Exchange:
    """A request to a real Kubernetes 1.36 and what it answered."""

    name: str
    path: str
    status: int
    content_type: str
    body: str

    @classmethod
    def load(cls, name: str) -> "Exchange":
        recorded = json.loads((RECORDED / name).read_text())
        answered = recorded["response"]
        return cls(
            name=name,
            path=recorded["request"]["path"],
            status=answered["status"],
            content_type=answered["headers"]["content-type"],
            body=answered["body"],
        )

    def response(self) -> Response:
        return Response(self.body, status=self.status, content_type=self.content_type)


def kubeconfig(url: str, *, token: str = TOKEN) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }


def connect(monkeypatch: pytest.MonkeyPatch, name: str, url: str, *, token: str = TOKEN) -> str:
    """Set the Airflow connection `name` to the API server at `url`."""
    extra = {"kube_config": json.dumps(kubeconfig(url, token=token))}
    monkeypatch.setenv(
        f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "kubernetes", "extra": extra})
    )
    return name


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> str:
    """The connection id of a cluster whose API server is `httpserver`."""
    return connect(monkeypatch, "cluster1-azure", httpserver.url_for("/"))


def bearer(request: Request) -> str:
    return request.headers["Authorization"].removeprefix("Bearer ")
