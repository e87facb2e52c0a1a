"""A simulated target cluster: its API server shows what the head of its repository wants.

The commits are real and read from the Git server's own disk, a few times a second as a GitOps
engine does; what they want is Ready at once, since no pod is what is measured.
"""

import json
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

_POLL_SECONDS = 0.2
_CREATED = "2026-11-24T00:00:00Z"
_LISTED = re.compile(r"^/apis?/.*/namespaces/(?P<namespace>[^/]+)/(?P<plural>[a-z]+)$")

Json = dict[str, Any]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a task that has ended does not close its connections."""


@dataclass
class SimulatedTarget:
    """`with SimulatedTarget(bare) as target: target.url`."""

    bare: Path
    """The repository on the Git server's disk."""
    deployments: dict[str, dict[str, Json]] = field(default_factory=dict)
    """Namespace to name to object."""

    def __enter__(self) -> Self:
        self._head = ""
        self._ended = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=self._follow, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def running(self) -> int:
        """Packages that run from a checkpoint image."""
        return sum(
            "@sha256:" in one["spec"]["template"]["spec"]["containers"][0]["image"]
            for each in list(self.deployments.values())
            for one in list(each.values())
        )

    def _follow(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            head = (self.bare / "refs" / "heads" / "main").read_text().strip()
            if head != self._head:
                self._apply(head)

    def _apply(self, head: str) -> None:
        """What changed since the last head; nothing is ever deleted here."""
        changed = (
            self._git("diff", "--name-only", self._head, head)
            if self._head
            else self._git("ls-tree", "-r", "--name-only", head)
        )
        for path in changed.splitlines():
            if path.endswith(".yaml"):
                found: Json = yaml.load(
                    self._git("show", f"{head}:{path}"), Loader=yaml.CSafeLoader
                )
                self._add(found)
        self._head = head

    def _add(self, found: Json) -> None:
        metadata = found["metadata"]
        annotations = {**metadata["annotations"], "deployment.kubernetes.io/revision": "1"}
        name, namespace = metadata["name"], metadata["namespace"]
        found = {
            **found,
            "metadata": {**metadata, "annotations": annotations, "uid": f"d-{namespace}-{name}"},
        }
        self.deployments.setdefault(namespace, {})[name] = found

    def _git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", self.bare, *arguments], check=True, capture_output=True, text=True
        ).stdout

    def items(self, path: str, *, selector: str) -> list[Json]:
        """A list as the API server gives it."""
        found = _LISTED.match(path)
        deployments = self.deployments.get(found["namespace"], {}) if found else {}
        wanted = [
            one
            for one in list(deployments.values())
            if not selector or f"app={one['metadata']['name']}" == selector
        ]
        match found and found["plural"]:
            case "deployments":
                return wanted
            case "replicasets":
                return [_replica_set(one) for one in wanted]
            case "pods":
                return [_pod(one) for one in wanted if one["spec"]["replicas"]]
        return []


def _replica_set(deployment: Json) -> Json:
    metadata = deployment["metadata"]
    owner = {"uid": metadata["uid"], "controller": True}
    return {
        "metadata": {
            "name": f"{metadata['name']}-1",
            "namespace": metadata["namespace"],
            "uid": f"r-{metadata['uid']}",
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            "ownerReferences": [owner],
        }
    }


def _pod(deployment: Json) -> Json:
    metadata, template = deployment["metadata"], deployment["spec"]["template"]
    containers = template["spec"]["containers"]
    return {
        "metadata": {
            "name": f"{metadata['name']}-1-a",
            "namespace": metadata["namespace"],
            "uid": f"p-{metadata['uid']}",
            "labels": template["metadata"]["labels"],
            "creationTimestamp": _CREATED,
            "ownerReferences": [{"uid": f"r-{metadata['uid']}", "controller": True}],
        },
        "spec": {"nodeName": "node-1", "containers": containers},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": one["name"], "state": {"running": {}}, "ready": True, "restartCount": 0}
                for one in containers
            ],
        },
    }


def _handler(target: SimulatedTarget) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            selector = parse_qs(asked.query).get("labelSelector", [""])[0]
            items = target.items(asked.path, selector=selector)
            body = json.dumps({"metadata": {}, "items": items}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: thousands of lines."""

    return Handler


def kubeconfig(url: str) -> str:
    """As a kubernetes connection takes it."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": "simulated"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
    )


def wait_running(target: SimulatedTarget, *, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while target.running() < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{target.running()} of {count} packages run after {seconds:g} s")
        time.sleep(_POLL_SECONDS)
