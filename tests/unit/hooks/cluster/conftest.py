import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.hooks.cluster import ClusterHook
from airflow_transition.hooks.polling import Poll

from .api_server import (
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    SERVICES,
    ApiServer,
    deployment,
    pod,
    replica_set,
    service,
)

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


@pytest.fixture
def api(httpserver: HTTPServer) -> Iterator[ApiServer]:
    """An API server in which `video` runs one pod behind one Service."""
    server = ApiServer()
    server.add(DEPLOYMENTS, deployment())
    server.add(REPLICA_SETS, replica_set())
    server.add(PODS, pod("video-1-a"))
    server.add(SERVICES, service())
    httpserver.expect_request(re.compile(".*")).respond_with_handler(server)
    yield server
    httpserver.check()


class Clock:
    """Time that passes only while somebody sleeps; `on_sleep` is what happens meanwhile."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()

    def while_sleeping(self, *steps: Callable[[], object]) -> None:
        """At each sleep the next of `steps` happens, and after the last one nothing."""
        left = iter(steps)

        def step() -> None:
            next(left, lambda: None)()

        self.on_sleep = step


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hook(cluster: str, api: ApiServer, clock: Clock) -> ClusterHook:
    return ClusterHook(cluster, poll=Poll(clock=lambda: clock.now, sleep=clock.sleep))
