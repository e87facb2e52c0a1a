"""The HTTP side: who asks, for what, and the answer in the API server's own words."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from lab.api import collections, objects, pod_exec, pod_proxy
from lab.api.answers import ApiError, forbidden, json_answer, not_found, plain_answer, unauthorized
from lab.api.cluster import Cluster
from lab.api.identities import Identities
from lab.api.kinds import BACKUP, KINDS, NODE, Kind, Object
from lab.api.node_object import KUBELET_VERSION
from lab.packages import architecture

Handler = Callable[[Request], Awaitable[Response]]

_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_POD_PATH = "/api/v1/namespaces/{namespace}/pods/{pod}"
_LARGEST_BODY_BYTES = 3 << 20
"""What a real API server takes as well."""


class Server:
    """Routes and rights around one cluster."""

    def __init__(self, *, cluster: Cluster, identities: Identities, node: Object) -> None:
        self._cluster = cluster
        self._identities = identities
        self._node = node

    def app(self) -> Starlette:
        """The ASGI application; the cluster works while it is up."""
        routes: list[BaseRoute] = [
            Route("/version", self._guarded(self._version)),
            Route("/apis", self._guarded(self._groups)),
            Route(
                "/api/v1/nodes/{node}/proxy/checkpoint/{namespace}/{pod}/{container}",
                self._guarded(self._checkpoint, subresource="nodes/proxy"),
                methods=["POST"],
            ),
            Route(_REVIEWS, self._guarded(self._review), methods=["POST"]),
            WebSocketRoute(f"{_POD_PATH}/exec", self._exec),
            Route(
                f"{_POD_PATH}:{{port:int}}/proxy/{{path:path}}",
                self._guarded(self._proxy, subresource="pods/proxy"),
                methods=list(_VERBS),
            ),
        ]
        for kind in KINDS:
            routes += self._routes_of(kind)
        return Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={
                ApiError: _refuse,
                HTTPStatus.NOT_FOUND: _no_such_page,
            },
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self._cluster.start(self._node)
        try:
            yield
        finally:
            await self._cluster.stop()

    def _routes_of(self, kind: Kind) -> list[Route]:
        everywhere = f"{kind.root}/{kind.plural}"
        inside = f"{kind.root}/namespaces/{{namespace}}/{kind.plural}"
        one = f"{inside if kind.namespaced else everywhere}/{{name}}"

        def handler(function: Callable[[Kind, Request], Awaitable[Response]]) -> Handler:
            return self._guarded(lambda request: function(kind, request), kind=kind)

        routes = [
            Route(one, handler(self._get), methods=["GET"]),
            Route(one, handler(self._patch), methods=["PATCH"]),
            Route(one, handler(self._delete), methods=["DELETE"]),
            Route(everywhere, handler(self._list), methods=["GET"]),
            Route(
                inside if kind.namespaced else everywhere, handler(self._create), methods=["POST"]
            ),
        ]
        if kind.namespaced:
            routes.append(Route(inside, handler(self._list), methods=["GET"]))
        return routes

    def _guarded(
        self, handler: Handler, *, kind: Kind | None = None, subresource: str = ""
    ) -> Handler:
        """Ask for a known token, and for the right to this verb."""

        async def guarded(request: Request) -> Response:
            verb = _VERBS[request.method]
            if verb == "get" and kind is not None and "name" not in request.path_params:
                verb = "list"
            self._check(request, verb=verb, resource=subresource or (kind.plural if kind else ""))
            return await handler(request)

        return guarded

    def _check(self, asked: HTTPConnection, *, verb: str, resource: str) -> None:
        """Refuse who is not known, and who may not."""
        identity = self._identities.of(asked.headers.get("authorization", ""))
        if identity is None:
            raise unauthorized()
        if not resource:
            return
        kind = next(each for each in KINDS if each.plural == resource.partition("/")[0])
        if not identity.may(verb, resource=resource, group=kind.group):
            place = asked.path_params
            name = place.get("name") or (
                place.get("node", "") if kind == NODE else place.get("pod", "")
            )
            raise forbidden(
                kind,
                user=identity.user,
                verb=verb,
                resource=resource,
                name=name,
                namespace=place.get("namespace", "") if kind.namespaced else "",
            )

    async def _version(self, _: Request) -> Response:
        return json_answer(_VERSION | {"platform": f"linux/{architecture()}"})

    async def _groups(self, _: Request) -> Response:
        """Discovery, which every user may: the API groups of this slice."""
        versions = {kind.group: kind.version for kind in KINDS if kind.group}
        groups = [_group(name, version) for name, version in versions.items()]
        return json_answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    async def _review(self, request: Request) -> Response:
        """A SelfSubjectAccessReview: what this user may, by the same rights that guard the rest."""
        identity = self._identities.of(request.headers.get("authorization", ""))
        review = await _body(request)
        asked = review.get("spec", {}).get("resourceAttributes", {})
        parts = (asked.get("resource", ""), asked.get("subresource", ""))
        resource = "/".join(part for part in parts if part)
        may = identity is not None and identity.may(
            asked.get("verb", ""), resource=resource, group=asked.get("group", "")
        )
        return json_answer(review | {"status": {"allowed": may}}, status=HTTPStatus.CREATED)

    async def _checkpoint(self, request: Request) -> Response:
        place = request.path_params
        if self._cluster.store.find(NODE, name=place["node"]) is None:
            raise not_found(NODE, name=place["node"])
        timeouts = request.query_params.getlist("timeout")
        return await self._cluster.kubelet.checkpoint(
            namespace=place["namespace"],
            pod=place["pod"],
            container=place["container"],
            seconds=timeouts[-1] if timeouts else None,
        )

    async def _exec(self, socket: WebSocket) -> None:
        def check() -> None:
            self._check(socket, verb="create", resource="pods/exec")

        await pod_exec.serve(socket, store=self._cluster.store, check=check)

    async def _proxy(self, request: Request) -> Response:
        return await pod_proxy.forward(request, store=self._cluster.store)

    def _read_store(self, kind: Kind, request: Request) -> None:
        """Velero reads its backup store every minute; here it does when somebody looks."""
        if kind == BACKUP:
            namespace = request.path_params.get("namespace", "")
            self._cluster.velero.sync(self._cluster.store, namespace=namespace)

    async def _list(self, kind: Kind, request: Request) -> Response:
        self._read_store(kind, request)
        things = self._cluster.store.list(kind, namespace=request.path_params.get("namespace"))
        answer = collections.page(
            kind, things, query=request.query_params, version=self._cluster.store.version
        )
        return json_answer(answer)

    async def _get(self, kind: Kind, request: Request) -> Response:
        self._read_store(kind, request)
        thing = self._cluster.store.get(kind, **_place(kind, request))
        return json_answer(objects.whole(kind, thing))

    async def _create(self, kind: Kind, request: Request) -> Response:
        thing = objects.create(
            self._cluster.store,
            kind,
            await _body(request),
            namespace=request.path_params.get("namespace", ""),
            dry_run=request.query_params.get("dryRun") == "All",
        )
        await self._cluster.settle()
        return json_answer(objects.whole(kind, thing), status=HTTPStatus.CREATED)

    async def _patch(self, kind: Kind, request: Request) -> Response:
        changed, created = objects.patch(
            self._cluster.store,
            kind,
            await _body(request),
            form=request.headers.get("content-type", "").partition(";")[0].strip(),
            manager=request.query_params.get("fieldManager", ""),
            **_place(kind, request),
        )
        await self._cluster.settle()
        status = HTTPStatus.CREATED if created else HTTPStatus.OK
        return json_answer(objects.whole(kind, changed), status=status)

    async def _delete(self, kind: Kind, request: Request) -> Response:
        answer = objects.delete(self._cluster.store, kind, **_place(kind, request))
        await self._cluster.settle()
        return json_answer(answer)


def _group(name: str, version: str) -> Object:
    served = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


def _place(kind: Kind, request: Request) -> dict[str, str]:
    place = request.path_params
    namespace = place["namespace"] if kind.namespaced else ""
    return {"namespace": namespace, "name": place["name"]}


async def _body(request: Request) -> Any:
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > _LARGEST_BODY_BYTES:
            raise ApiError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"Request entity too large: limit is {_LARGEST_BODY_BYTES}",
                reason="RequestEntityTooLarge",
            )
    try:
        return json.loads(content) if content[:1] in b"{[" else yaml.safe_load(content)
    except (ValueError, yaml.YAMLError) as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST, f"error decoding the body: {error}", reason="BadRequest"
        ) from error


async def _refuse(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return json_answer(error.body, status=error.status)


async def _no_such_page(_: Request, __: Exception) -> Response:
    return plain_answer("404 page not found\n", status=HTTPStatus.NOT_FOUND)


_VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": KUBELET_VERSION,
    "gitCommit": "98b35193b2ac7a23a673325f5e9b830ecd5ba406",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.6",
    "compiler": "gc",
}
