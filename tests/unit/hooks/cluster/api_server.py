"""The slice of the Kubernetes API that the hooks call, over objects held in memory.

Controllers are reduced to what the hooks wait for: endpoint slices follow Services and pods.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from werkzeug import Request, Response

from airflow_transition.core.manifests import PACKAGE_ANNOTATION, POLICY_ANNOTATION

from .rights import Right, granted_by_all, right

Json = dict[str, Any]


def status(code: int, message: str) -> Response:
    body = {"kind": "Status", "status": "Failure", "message": message, "code": code}
    return Response(json.dumps(body), status=code, content_type="application/json")


def answer(found: Json, *, code: int = 200) -> Response:
    return Response(json.dumps(found), status=code, content_type="application/json")


_NOT_APPLIED = ("operation", "status")
"""Fields of other managers, which an apply leaves alone."""


@dataclass
class ApiServer:
    """Call an instance as the handler of every request."""

    objects: dict[str, dict[str, Json]] = field(default_factory=dict)
    """By collection path ("/api/v1/namespaces/shop/pods"), then by name."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    page: int = 250
    on_call: Callable[[str, str], Response | None] = lambda _method, _path: None
    endpoints_follow: bool = True
    granted: set[Right] = field(default_factory=granted_by_all)
    """What else is asked for is refused, so that no hook gets along with more than is shipped."""
    granted_in: set[str] = field(default_factory=set)
    """Namespaces in which everything is allowed, as reviews say it."""
    made: int = 0
    """Objects created by an apply: each gets a uid of its own, as the real server gives it."""

    changes: int = 0

    def add(self, collection: str, *objects: Json) -> None:
        for item in objects:
            self.objects.setdefault(collection, {})[item["metadata"]["name"]] = item

    def touch(self, item: Json) -> None:
        """The object is another one now than whoever read it before knows."""
        self.changes += 1
        item["metadata"]["resourceVersion"] = str(self.changes)

    def remove(self, collection: str, name: str) -> None:
        del self.objects[collection][name]

    def __call__(self, request: Request) -> Response:
        self.calls.append((request.method, request.path))
        special = self._forbidden(right(request.method, request.path)) or self.on_call(
            request.method, request.path
        )
        return self._answer(request) if special is None else special

    def _forbidden(self, asked: Right) -> Response | None:
        if asked in self.granted:
            return None
        group, resource, verb = asked
        return status(403, f'{resource} is forbidden: no shipped role allows "{verb}" {group}')

    def _answer(self, request: Request) -> Response:
        match request.method:
            case "GET" if "limit" in request.args:
                return self._list(request)
            case "GET":
                return self._get(request.path)
            case "PATCH":
                return self._patch(request)
            case "POST":
                return self._create(request)
            case "DELETE":
                return self._delete(request.path)
        return status(405, "method not allowed")

    def _get(self, path: str) -> Response:
        collection, name = path.rsplit("/", 1)
        found = self.objects.get(collection, {}).get(name)
        return status(404, f'"{name}" not found') if found is None else answer(found)

    def _list(self, request: Request) -> Response:
        collection, _, name = request.path.rpartition("/")
        if collection.endswith("/namespaces"):
            one = self.objects.get(collection, {}).get(name)
            return status(404, f'"{name}" not found') if one is None else answer(one)
        found = list(self._items(request.path))
        wanted = request.args.get("labelSelector", "")
        found = [item for item in found if _takes(wanted, item["metadata"].get("labels", {}))]
        start = int(request.args.get("continue", "0"))
        end = start + min(self.page, int(request.args["limit"]))
        following = str(end) if end < len(found) else ""
        return answer({"metadata": {"continue": following}, "items": found[start:end]})

    def _items(self, path: str) -> Iterator[Json]:
        if path.endswith("/endpointslices"):
            yield from self._slices(path.split("/")[-2])
            return
        kind = path.rsplit("/", 1)[1]
        for collection, items in self.objects.items():
            everywhere = "/namespaces/" not in path and collection.endswith(f"/{kind}")
            if collection == path or everywhere:
                yield from items.values()

    def _slices(self, namespace: str) -> Iterator[Json]:
        pods = self.objects.get(f"/api/v1/namespaces/{namespace}/pods", {}).values()
        services = self.objects.get(f"/api/v1/namespaces/{namespace}/services", {})
        for name, service in services.items():
            wanted = service["spec"].get("selector", {}).items()
            if not self.endpoints_follow:
                wanted = {}.items()
            taken = [pod for pod in pods if wanted <= pod["metadata"]["labels"].items()]
            yield {
                "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
                "endpoints": [{"addresses": ["10.0.0.1"]} for _ in taken] or None,
            }

    def _patch(self, request: Request) -> Response:
        collection, name = request.path.rsplit("/", 1)
        body = json.loads(request.data)
        known = self.objects.setdefault(collection, {})
        if request.content_type == "application/apply-patch+yaml":
            assert request.args["fieldManager"]
            created = name not in known
            uid = f"uid-{self.made}" if created else known[name]["metadata"]["uid"]
            self.made += created
            kept = {key: known[name][key] for key in _NOT_APPLIED if key in known.get(name, {})}
            known[name] = {**kept, **body, "metadata": {**body["metadata"], "uid": uid}}
            self.touch(known[name])
            return answer(known[name], code=201 if created else 200)
        assert request.content_type == "application/merge-patch+json"
        if name not in known:
            return status(404, f'"{name}" not found')
        read = body["metadata"].get("resourceVersion") if "metadata" in body else None
        if read not in (None, known[name]["metadata"].get("resourceVersion")):
            return status(409, "the object has been modified; please apply your changes")
        known[name] = _merged(known[name], body)
        self.touch(known[name])
        return answer(known[name])

    def _create(self, request: Request) -> Response:
        body = json.loads(request.data)
        if request.path.endswith("/selfsubjectaccessreviews"):
            return self._review(body)
        name = body["metadata"]["name"]
        if name in self.objects.get(request.path, {}):
            return status(409, f'"{name}" already exists')
        if request.args.get("dryRun") != "All":
            self.add(request.path, body)
        return answer(body, code=201)

    def _review(self, body: Json) -> Response:
        asked = body["spec"]["resourceAttributes"]
        sub = asked.get("subresource")
        resource = asked["resource"] + (f"/{sub}" if sub else "")
        wanted = (asked.get("group", ""), resource, asked["verb"])
        here = asked.get("namespace") in self.granted_in if self.granted_in else False
        return answer({"status": {"allowed": wanted in self.granted or here}}, code=201)

    def _delete(self, path: str) -> Response:
        collection, name = path.rsplit("/", 1)
        if name not in self.objects.get(collection, {}):
            return status(404, f'"{name}" not found')
        self.remove(collection, name)
        if collection.endswith("/namespaces"):  # what is in it goes with it
            inside = [each for each in self.objects if f"/namespaces/{name}/" in each]
            for each in inside:
                del self.objects[each]
        return answer({"kind": "Status", "status": "Success"})


def _takes(selector: str, labels: dict[str, str]) -> bool:
    terms = [term.split("=") for term in selector.split(",") if term]
    return all(labels.get(key) == value for key, value in terms)


def _merged(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def deployment(
    name: str = "video",
    *,
    namespace: str = "shop",
    package: str | None = "video",
    uid: str = "d1",
    revision: str = "1",
    **pod_spec: Any,
) -> Json:
    annotations = {"deployment.kubernetes.io/revision": revision}
    if package:
        annotations |= {POLICY_ANNOTATION: "true", PACKAGE_ANNOTATION: package}
    containers = [{"name": "app", "image": "registry/counter:1"}]
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "annotations": annotations,
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": containers, **pod_spec},
            },
        },
    }


def replica_set(name: str = "video-1", *, uid: str = "r1", revision: str = "1") -> Json:
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "labels": {"app": "video"},
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"uid": "d1", "controller": True}],
        }
    }


def pod(
    name: str,
    *,
    owner: str = "r1",
    ready: bool = True,
    phase: str = "Running",
    deleting: bool = False,
    created: str = "2026-11-23T03:04:42Z",
    image: str = "registry/counter:1",
    app: str = "video",
    waiting: dict[str, str] | None = None,
    restarts: int = 0,
) -> Json:
    metadata: Json = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "labels": {"app": app},
        "creationTimestamp": created,
        "ownerReferences": [{"uid": owner, "controller": True}],
    }
    if deleting:
        metadata["deletionTimestamp"] = created
    state = {"waiting": waiting} if waiting else {"running": {}}
    return {
        "metadata": metadata,
        "spec": {"nodeName": "node-a", "containers": [{"name": "app", "image": image}]},
        "status": {
            "phase": phase,
            "podIP": "10.244.1.17",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [
                {"name": "app", "state": state, "ready": ready, "restartCount": restarts}
            ],
        },
    }


def service(name: str = "video", *, selector: dict[str, str] | None = None, **spec: Any) -> Json:
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": selector or {"app": "video"}, **spec},
    }


DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
REPLICA_SETS = "/apis/apps/v1/namespaces/shop/replicasets"
PODS = "/api/v1/namespaces/shop/pods"
SERVICES = "/api/v1/namespaces/shop/services"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
