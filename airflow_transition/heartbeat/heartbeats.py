"""POST /heartbeat: 5,000 a second on one core, so it is plain ASGI and goes past the framework."""

import asyncio
import json
from http import HTTPStatus

from pydantic import ValidationError
from starlette.types import Receive, Scope, Send
from transition_wire.heartbeat import HEARTBEAT_PATH, Heartbeat

from airflow_transition.heartbeat.flusher import NotStoredError
from airflow_transition.heartbeat.guide import GuideHeartbeat, hear_guide
from airflow_transition.heartbeat.node import Node
from airflow_transition.heartbeat.receiver import Receiver
from airflow_transition.heartbeat.token import Bearer

MOST_BYTES = 64 * 1024
_BODY_SECONDS = 10.0
"""For all of a body. Who sends it slower holds the connection for no heartbeat."""
_MOST_ERRORS = 10
_BEARER = b"bearer "
_VALIDATE = Heartbeat.__pydantic_validator__.validate_json
_VALIDATE_GUIDE = GuideHeartbeat.__pydantic_validator__.validate_json
_JSON_TYPE = (b"content-type", b"application/json")


class Refusal(Exception):  # noqa: N818 - it is an answer
    """What is answered instead, and how it is counted."""

    def __init__(self, status: int, *, result: str, detail: object) -> None:
        super().__init__(detail)
        self.status = status
        self.result = result
        self.body = json.dumps({"detail": detail}).encode()


class Heartbeats:
    """Takes the requests of agents."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._counters = receiver.metrics.heartbeats

    @staticmethod
    def is_one(scope: Scope) -> bool:
        """The path begins with where the application is mounted."""
        return (
            scope["type"] == "http"
            and scope["method"] == "POST"
            and bool(scope["path"] == scope.get("root_path", "") + HEARTBEAT_PATH)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, body = 200, await self._answer(scope, receive=receive)
        except Refusal as refusal:
            self._counters[refusal.result].inc()
            status, body = refusal.status, refusal.body
        headers = [_JSON_TYPE, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, *, receive: Receive) -> bytes:
        receiver = self._receiver
        if not receiver.ready:
            raise _unavailable()
        bearer = self._bearer(scope)
        body = await _read(receive)
        if bearer is None:
            answer = self._guide(body)
            self._counters["untrusted"].inc()
            return answer
        heartbeat = _heartbeat(body)
        node = self._node(heartbeat, bearer=bearer)
        if not receiver.hear(node, heartbeat=heartbeat):
            raise _replay(heartbeat)
        self._counters["accepted"].inc()
        try:
            return await receiver.reply(node)
        except NotStoredError:
            raise _unavailable() from None

    def _bearer(self, scope: Scope) -> Bearer | None:
        """None: no token, which only the guide's body may come without."""
        secret: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                secret = value
            elif name == b"content-length" and len(value) > len(str(MOST_BYTES)):
                raise _too_large()
        if secret is None and self._receiver.settings.accept_guide_heartbeats:
            return None
        if secret is not None and secret[: len(_BEARER)].lower() == _BEARER:
            wall = self._receiver.wall()
            bearer = self._receiver.tokens.bearer(secret[len(_BEARER) :].strip(), wall=wall)
            if bearer is not None:
                return bearer
        raise Refusal(
            HTTPStatus.UNAUTHORIZED,
            result="unauthorized",
            detail="no valid token; make one with `airflow transition token create`",
        )

    def _node(self, heartbeat: Heartbeat, *, bearer: Bearer) -> Node:
        """Only here does a node become known, and only with a token of its own."""
        if bearer.node != heartbeat.node or bearer.cluster != heartbeat.cluster:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                result="forbidden",
                detail="the token belongs to another cluster or node",
            )
        fleet = self._receiver.fleet
        node = fleet.find(bearer.cluster, node=bearer.node)
        if node is None:
            return fleet.add(bearer.cluster, node=bearer.node)
        if not node.trusted:
            fleet.trust(node)
        return node

    def _guide(self, body: bytes) -> bytes:
        try:
            heartbeat = _VALIDATE_GUIDE(body)
        except ValidationError as error:
            raise _malformed(error) from None
        refused = hear_guide(self._receiver, heartbeat=heartbeat)
        if refused is not None:
            raise Refusal(HTTPStatus.FORBIDDEN, result="refused", detail=refused)
        return b'{"trusted":false}'


async def _read(receive: Receive) -> bytes:
    """Never more than the bound is kept, whatever the request says of its length."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while message.get("more_body") and len(body) <= MOST_BYTES:
                    message = await receive()
                    body += message.get("body", b"")
        except TimeoutError:
            raise _ended_early() from None
    if message["type"] != "http.request":
        raise _ended_early()
    if len(body) > MOST_BYTES:
        raise _too_large()
    return body


def _heartbeat(body: bytes) -> Heartbeat:
    try:
        heartbeat: Heartbeat = _VALIDATE(body)
    except ValidationError as error:
        raise _malformed(error) from None
    return heartbeat


def _malformed(error: ValidationError) -> Refusal:
    """Where and what, but not the value: it may be somebody's secret in the wrong place."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, result="malformed", detail=found[:_MOST_ERRORS])


def _ended_early() -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, result="malformed", detail="the body ended early")


def _too_large() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        result="too_large",
        detail=f"a heartbeat has at most {MOST_BYTES} bytes",
    )


def _replay(heartbeat: Heartbeat) -> Refusal:
    return Refusal(
        HTTPStatus.CONFLICT,
        result="replay",
        detail=f"sequence {heartbeat.sequence} of this boot and agent was seen already",
    )


def _unavailable() -> Refusal:
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        result="unavailable",
        detail="the receiver's database does not answer; try again",
    )
