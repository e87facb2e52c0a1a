"""A simulated API server for the doctor: 50 nodes, every right, and the way to another cloud."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

NODES = 50
LATENCY_SECONDS = 0.1
"""Of each answer; the nodes of a page of 250 are one."""

Json = dict[str, Any]


@dataclass
class SimulatedApi:
    """`with SimulatedApi("cluster1") as api: api.url`."""

    cluster: str
    calls: list[str] = field(default_factory=list)
    most_at_once: int = 0

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._busy = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, method: str, path: str, *, query: Json, body: bytes) -> tuple[int, Json]:
        with self._lock:
            self.calls.append(f"{method} {path}")
            self._busy += 1
            self.most_at_once = max(self.most_at_once, self._busy)
        time.sleep(LATENCY_SECONDS)
        with self._lock:
            self._busy -= 1
        return self._said(method, path, query=query, body=body)

    def _said(self, method: str, path: str, *, query: Json, body: bytes) -> tuple[int, Json]:
        if found := _READ.get(path):
            return 200, found()
        if path.endswith("/selfsubjectaccessreviews"):
            asked = json.loads(body)["spec"]["resourceAttributes"]
            return 201, {"status": {"allowed": asked["resource"] != "secrets"}}
        if path == "/api/v1/namespaces" and query.get("dryRun") == ["All"]:
            return 409, {"message": 'namespaces "shop" already exists'}
        return 404, {"message": f"{method} {path}: the doctor does not ask that"}


def node_names() -> list[str]:
    return [f"node-{number:02}" for number in range(NODES)]


def _list(items: list[Json]) -> Json:
    return {"metadata": {}, "items": items}


_READ: Mapping[str, Callable[[], Json]] = {
    "/version": lambda: {"gitVersion": "v1.36.2"},
    "/apis": lambda: {"groups": [{"name": "argoproj.io"}]},
    "/api/v1/nodes": lambda: _list([_node(name) for name in node_names()]),
    "/apis/apps/v1/namespaces/kube-system/deployments": lambda: _list([_cloud_controller()]),
}


def _cloud_controller() -> Json:
    command = ["cloud-controller-manager", "--cluster-cidr=10.244.0.0/16"]
    containers = [{"name": "cloud-controller-manager", "command": command}]
    return {
        "metadata": {"name": "cloud-controller-manager"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }


def _node(name: str) -> Json:
    return {
        "metadata": {"name": name},
        "spec": {"podCIDR": f"10.244.{int(name[-2:])}.0/24"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {
                "kernelVersion": "6.18.44",
                "containerRuntimeVersion": "containerd://2.3.4",
                "kubeletVersion": "v1.36.2",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }


def _handler(api: SimulatedApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer("GET", b"")

        def do_POST(self) -> None:
            self._answer("POST", self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, method: str, body: bytes) -> None:
            asked = urlsplit(self.path)
            status, said = api.answer(
                method, asked.path, query=dict(parse_qs(asked.query)), body=body
            )
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing: a hundred lines a round."""

    return Handler
