"""`pods/proxy`: an HTTP request to a port of a pod, through the API server."""

import asyncio
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from starlette.requests import Request
from starlette.responses import Response

from lab.api.answers import ApiError, not_found
from lab.api.kinds import POD
from lab.api.store import Store

_SECONDS = 60
_LARGEST_ANSWER_BYTES = 8 << 20


async def forward(request: Request, *, store: Store) -> Response:
    """What the pod answers; a pod that cannot be reached is a 503 of the API server."""
    place = request.path_params
    pod = store.find(POD, namespace=place["namespace"], name=place["pod"])
    if pod is None:
        raise not_found(POD, name=place["pod"])
    address, port = pod["status"].get("podIP", ""), place["port"]
    path = "/" + place.get("path", "") + (f"?{request.url.query}" if request.url.query else "")
    try:
        return await asyncio.to_thread(
            _send,
            HTTPConnection(address, port, timeout=_SECONDS),
            method=request.method,
            path=path,
            body=await request.body(),
            content_type=request.headers.get("content-type"),
        )
    except (OSError, HTTPException) as error:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"error trying to reach service: dial tcp {address}:{port}: connect: {error}",
            reason="ServiceUnavailable",
        ) from error


def _send(
    connection: HTTPConnection, *, method: str, path: str, body: bytes, content_type: str | None
) -> Response:
    headers = {"Content-Type": content_type} if content_type else {}
    try:
        connection.request(method, path, body=body or None, headers=headers)
        answer = connection.getresponse()
        return Response(
            answer.read(_LARGEST_ANSWER_BYTES),
            status_code=answer.status,
            headers={"content-type": answer.headers.get("Content-Type", "text/plain")},
        )
    finally:
        connection.close()
