"""Lists of a generated cluster, in pages, served by a process of their own.

The objects are those that a real Kubernetes 1.36 gave, under other names: with their managed
fields, spec and status, so with their real size.
"""

import copy
import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from airflow_transition.core.manifests import PACKAGE_ANNOTATION, POLICY_ANNOTATION

_RECORDED = Path(__file__).parents[2] / "tests" / "fixtures" / "kubernetes-1.36"
_ANNOTATED_EVERY = 10
"""One workload of so many is a package."""
_BARE_PODS = 20
_APPS = "/apis/apps/v1"
SMALL = "small"
"""A namespace with one pod in it."""

Json = dict[str, Any]


def packages(*, workloads: int) -> int:
    """How many packages there are to be found."""
    return workloads // _ANNOTATED_EVERY + _BARE_PODS


@contextmanager
def serving(*, pods: int, workloads: int) -> Iterator[str]:
    """URL of an API server with so many objects."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs, pods, workloads), daemon=True
    )
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(ready: Connection, pods: int, workloads: int) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(_lists(pods, workloads)))
    ready.send(server.server_port)
    server.serve_forever()


def _handler(lists: dict[str, list[Json]]) -> type[BaseHTTPRequestHandler]:
    whole = {path: [json.dumps(item) for item in items] for path, items in lists.items()}
    partial = {path: [_partial(item) for item in items] for path, items in lists.items()}
    counted = {"requests": 0, "bytes": 0}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path == "/counted":
                self._answer(json.dumps(counted).encode())
                return
            metadata = "PartialObjectMetadataList" in self.headers.get("Accept", "")
            content = _page((partial if metadata else whole)[asked.path], parse_qs(asked.query))
            counted["requests"] += 1
            counted["bytes"] += len(content)
            self._answer(content)

        def _answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing: it would be a line for each request."""

    return Handler


def _page(items: list[str], query: dict[str, list[str]]) -> bytes:
    start = int(query.get("continue", ["0"])[0])
    end = start + int(query["limit"][0])
    following = str(end) if end < len(items) else ""
    listed = ",".join(items[start:end])
    return f'{{"metadata":{{"continue":"{following}"}},"items":[{listed}]}}'.encode()


def _partial(item: Json) -> str:
    kind = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return json.dumps({**kind, "metadata": item["metadata"]})


def _lists(pods: int, workloads: int) -> dict[str, list[Json]]:
    pod, deployment = _recorded("pods"), _recorded("deployments")
    made = [_renamed(deployment, f"app-{number}") for number in range(workloads)]
    for number in range(0, workloads, _ANNOTATED_EVERY):
        _annotate(made[number], f"package-{number}")
    found = [_renamed(pod, f"app-{number}") for number in range(pods)]
    for number in range(_BARE_PODS):
        _annotate(found[-1 - number], f"bare-{number}")
        del found[-1 - number]["metadata"]["ownerReferences"]
    _annotate(found[0], "made-by-a-workload")
    tenth = workloads // 10
    return {
        f"{_APPS}/deployments": made[2 * tenth :],
        f"{_APPS}/statefulsets": made[:tenth],
        f"{_APPS}/daemonsets": made[tenth : 2 * tenth],
        "/api/v1/pods": found,
        f"{_APPS}/namespaces/{SMALL}/deployments": made[:1],
        f"{_APPS}/namespaces/{SMALL}/statefulsets": [],
        f"{_APPS}/namespaces/{SMALL}/daemonsets": [],
        f"/api/v1/namespaces/{SMALL}/pods": found[:1],
    }


def _recorded(plural: str) -> Json:
    exchange = json.loads((_RECORDED / f"list-{plural}.json").read_text())
    item: Json = json.loads(exchange["response"]["body"])["items"][0]
    for name in (POLICY_ANNOTATION, PACKAGE_ANNOTATION):
        item["metadata"].get("annotations", {}).pop(name, None)
    return item


def _renamed(item: Json, name: str) -> Json:
    renamed = copy.deepcopy(item)
    renamed["metadata"] |= {"name": name, "uid": f"uid-{name}"}
    return renamed


def _annotate(item: Json, package: str) -> None:
    wanted = {POLICY_ANNOTATION: "true", PACKAGE_ANNOTATION: package}
    item["metadata"]["annotations"] = {**item["metadata"].get("annotations", {}), **wanted}
