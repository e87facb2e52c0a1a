"""The process that is moved: the lab's sample application with a heap, put on a node by the API."""

import time
from collections.abc import Callable
from typing import Any

import requests

from lab.description import LabDescription

NAMESPACE = "bench"
CONTAINER = "app"
PORT = 8080
_NODE_PORT = 30090
HEAP_MIB = 1024
_DEADLINE_SECONDS = 180.0
_POLL_SECONDS = 0.02


class Cluster:
    """One cluster of the lab, spoken to as a GitOps engine would."""

    def __init__(self, lab: LabDescription, *, name: str) -> None:
        self.name = name
        self.access = lab.clusters[name]
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(lab.ca_file)
        self._session.headers["Authorization"] = f"Bearer {self.access.token}"

    def run(self, *, image: str, heap_kind: str) -> None:
        """Bring up the one pod; `image` may be a checkpoint image."""
        self._apply("api/v1/namespaces", _namespace())
        self._apply(
            f"apis/apps/v1/namespaces/{NAMESPACE}/deployments", _deployment(image, heap_kind)
        )
        self._apply(f"api/v1/namespaces/{NAMESPACE}/services", _service())

    def remove(self) -> None:
        """Take it away and wait until no pod is left."""
        kinds = {"deployments": "apis/apps/v1", "services": "api/v1"}
        for kind, group in kinds.items():
            self._call("DELETE", f"{group}/namespaces/{NAMESPACE}/{kind}/heap")
        wait_until(lambda: not self.pods(), what=f"no pod left on {self.name}")

    def checkpoint(self) -> str:
        """Ask for a checkpoint as the product does; the archive's file name."""
        (pod,) = self.pods()
        path = f"api/v1/nodes/{self.access.node}/proxy/checkpoint/{NAMESPACE}/{pod}/{CONTAINER}"
        (archive,) = self._call("POST", path, ok=True).json()["items"]
        return str(archive).rpartition("/")[2]

    def pods(self) -> list[str]:
        found = self._call("GET", f"api/v1/namespaces/{NAMESPACE}/pods", ok=True).json()
        return [str(pod["metadata"]["name"]) for pod in found["items"]]

    def wait_id(self) -> str:
        """Until the application answers; its in-memory id."""
        return wait_answer(f"http://{self.access.node_address}:{_NODE_PORT}")

    def _apply(self, collection: str, manifest: dict[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        self._call(
            "PATCH",
            f"{collection}/{name}?fieldManager=bench&force=true",
            ok=True,
            json=manifest,
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def _call(self, method: str, path: str, *, ok: bool = False, **more: Any) -> requests.Response:
        answer = self._session.request(
            method, f"{self.access.api_url}/{path}", timeout=_DEADLINE_SECONDS, **more
        )
        if ok:
            answer.raise_for_status()
        return answer


class NotReadyError(Exception):
    """A part of the benchmark did not come up in time."""


def wait_until(done: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise NotReadyError(what)
        time.sleep(_POLL_SECONDS)


def wait_answer(url: str) -> str:
    """Until the application at `url` answers; its in-memory id."""
    found: list[str] = []

    def answered() -> bool:
        try:
            found.append(requests.get(url, timeout=1).json()["id"])
        except (requests.RequestException, ValueError):
            return False
        return True

    wait_until(answered, what=url)
    return found[0]


def _namespace() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def _deployment(image: str, heap_kind: str) -> dict[str, Any]:
    labels = {"app": "heap"}
    container = {
        "name": CONTAINER,
        "image": image,
        "env": [
            {"name": "HEAP_MIB", "value": str(HEAP_MIB)},
            {"name": "HEAP_KIND", "value": heap_kind},
        ],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "heap", "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    }


def _service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "heap", "namespace": NAMESPACE},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "heap"},
            "ports": [{"port": PORT, "targetPort": PORT, "nodePort": _NODE_PORT}],
        },
    }
