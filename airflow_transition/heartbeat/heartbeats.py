"""POST /heartbeat: 5,000 a second on one core, so it goes past everything that it does not need."""

import json
from http import HTTPStatus

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from transition_wire.heartbeat import Heartbeat

from airflow_transition.heartbeat.flusher import NotStoredError
from airflow_transition.heartbeat.guide import GuideHeartbeat, hear_guide
from airflow_transition.heartbeat.node import Node
from airflow_transition.heartbeat.receiver import Receiver
from airflow_transition.heartbeat.token import Bearer

MOST_BYTES = 64 * 1024
_MOST_ERRORS = 10
_BEARER = b"bearer "
_VALIDATE = Heartbeat.__pydantic_validator__.validate_json
_VALIDATE_GUIDE = GuideHeartbeat.__pydantic_validator__.validate_json


class Refusal(Exception):  # noqa: N818 - it is an answer
    """What is answered instead, and how it is counted."""

    def __init__(self, status: int, *, result: str, detail: object) -> None:
        super().__init__(detail)
        self.status = status
        self.result = result
        self.detail = detail


class Heartbeats:
    """Takes the requests of agents."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._counters = receiver.metrics.heartbeats

    async def take(self, request: Request) -> Response:
        try:
            body = await self._answer(request)
        except Refusal as refusal:
            self._counters[refusal.result].inc()
            return _json(json.dumps({"detail": refusal.detail}).encode(), status=refusal.status)
        return _json(body)

    async def _answer(self, request: Request) -> bytes:
        receiver = self._receiver
        if not receiver.ready:
            raise _unavailable()
        bearer = self._bearer(request)
        body = await _read(request)
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

    def _bearer(self, request: Request) -> Bearer | None:
        """None: no token, which only the guide's body may come without."""
        for name, value in request.scope["headers"]:
            if name == b"authorization":
                if value[: len(_BEARER)].lower() != _BEARER:
                    break
                secret = value[len(_BEARER) :].strip()
                bearer = self._receiver.tokens.bearer(secret, wall=self._receiver.wall())
                if bearer is not None:
                    return bearer
                break
        else:
            if self._receiver.settings.accept_guide_heartbeats:
                return None
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
        node = fleet.find(heartbeat.cluster, node=heartbeat.node)
        if node is None:
            node = fleet.add(heartbeat.cluster, node=heartbeat.node, trusted=True)
            assert node is not None  # noqa: S101 - only those without a token are bounded
        elif not node.trusted:
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


async def _read(request: Request) -> bytes:
    """Never more than the bound is kept, whatever the request says of its length."""
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MOST_BYTES:
        raise _too_large()
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise _too_large()
    except ClientDisconnect:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, result="malformed", detail="the body ended early"
        ) from None
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


def _json(body: bytes, *, status: int = HTTPStatus.OK) -> Response:
    return Response(body, status_code=status, media_type="application/json")
