"""What a person does to a cluster of the lab by hand, for tests and benchmarks."""

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import requests

from lab import video
from lab.description import LabDescription
from lab.errors import LabError
from lab.node import Node

Json = dict[str, Any]
T = TypeVar("T")

PATIENCE_SECONDS = 60.0
_APPLY = {"Content-Type": "application/apply-patch+yaml"}
ROOTS = {
    "Namespace": "/api/v1/namespaces",
    "Service": "/api/v1/namespaces/{}/services",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "BackupStorageLocation": "/apis/velero.io/v1/namespaces/{}/backupstoragelocations",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
}


def unique() -> str:
    return f"test-{secrets.token_hex(3)}"


def wait_for(look: Callable[[], T | None], *, what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """What `look` finds at last; a connection that is refused meanwhile is waited out."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = look()
            if found:
                return found
            error: Exception | None = None
        except requests.RequestException as refused:
            error = refused
        if time.monotonic() > deadline:
            raise LabError(
                f"not within {seconds:g} s",
                where=what,
                found=str(error) if error else None,
                do="look at the logs in the lab's state folder",
            )
        time.sleep(0.05)


class Client:
    """One cluster and one namespace in it, which goes with the client."""

    def __init__(self, lab: LabDescription, *, cluster: str, namespace: str = "") -> None:
        self.lab = lab
        self.cluster = cluster
        self.access = lab.clusters[cluster]
        self.namespace = namespace
        self.node = Node.of(lab, cluster=cluster)
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.access.token}"
        self.session.verify = str(lab.ca_file)
        self.session.trust_env = False

    def __enter__(self) -> Self:
        self.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": self.namespace}})
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        path = f"/api/v1/namespaces/{self.namespace}"
        # A kept connection may be ending at this very moment.
        wait_for(lambda: self.call("DELETE", path) is not None, what=f"{path} is deleted")
        wait_for(lambda: not self.pods(), what="the namespace's pods end")
        self.session.close()

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.access.api_url + path, timeout=60, **options)

    def get(self, path: str, **query: str) -> Json:
        found: Json = _checked(self.call("GET", path, params=query)).json()
        return found

    def path_of(self, kind: str, *, name: str) -> str:
        return f"{ROOTS[kind].format(self.namespace)}/{name}"

    def apply(self, thing: Json, *, manager: str = "gitops") -> requests.Response:
        answer = self.call(
            "PATCH",
            self.path_of(thing["kind"], name=thing["metadata"]["name"]),
            params={"fieldManager": manager, "force": "true"},
            data=json.dumps(thing),
            headers=_APPLY,
        )
        return _checked(answer)

    def delete(self, kind: str, *, name: str) -> requests.Response:
        return self.call("DELETE", self.path_of(kind, name=name))

    def pods(self, **query: str) -> list[Json]:
        items: list[Json] = self.get(f"/api/v1/namespaces/{self.namespace}/pods", **query)["items"]
        return items

    def ready_pod(self) -> Json:
        """The one pod of the namespace, once it is ready."""

        def look() -> Json | None:
            ready = [pod for pod in self.pods() if is_ready(pod)]
            return ready[0] if len(ready) == 1 else None

        return wait_for(look, what=f"a ready pod in {self.namespace} of {self.cluster}")

    def checkpoint(self, pod: Json, *, container: str = "app") -> Path:
        """Checkpoint through the node proxy; the archive, as this process can read it."""
        path = self.checkpoint_path(pod, container=container)
        (path,) = _checked(self.call("POST", path)).json()["items"]
        return self.node.folder / "checkpoints" / Path(path).name

    def checkpoint_path(self, pod: Json, *, container: str = "app") -> str:
        place = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}/{container}"
        return f"/api/v1/nodes/{self.access.node}/proxy/checkpoint/{place}"

    def inside(self, pod: Json, path: str = "/state", *, port: int = 8080) -> Json:
        """What the application answers to the node itself, past every Service."""
        script = (
            "import sys,urllib.request as r;print(r.urlopen(sys.argv[1],timeout=5).read().decode())"
        )
        url = f"http://{pod['status']['podIP']}:{port}{path}"
        answer: Json = json.loads(self.node.run("python3", "-c", script, url))
        return answer

    def video_image(self) -> str:
        deployment = self.get(f"/apis/apps/v1/namespaces/{video.NAMESPACE}/deployments/video")
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _checked(answer: requests.Response) -> requests.Response:
    if not answer.ok:
        raise LabError(
            f"answered {answer.status_code}",
            where=f"{answer.request.method} {answer.url}",
            found=answer.text,
            do="look at the API server's log in the lab's state folder",
        )
    return answer


def is_ready(pod: Json) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True"
        for each in pod["status"].get("conditions", ())
    )


def deployment(image: str, *, name: str = "player", replicas: int = 1, **pod: Any) -> Json:
    """A Deployment of the sample application; `pod` goes into the pod's spec."""
    container = {
        "name": "app",
        "image": image,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
    } | pod.pop("container", {})
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 5, "containers": [container], **pod},
            },
        },
    }
