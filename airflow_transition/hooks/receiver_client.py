"""HTTP to the receiver of heartbeats, as an Airflow user; for tasks, and for triggers.

What is said is the same for both and stands in one generator: sign in if need be, ask, and sign in
once more where the token was refused. Only the way of sending differs.
"""

import base64
import binascii
import json
import time
from collections.abc import AsyncIterable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Self

import httpx

from airflow_transition import __version__
from airflow_transition.hooks.receiver_connection import ReceiverSettings
from airflow_transition.hooks.receiver_errors import (
    Answer,
    ReceiverAnswerError,
    ReceiverDeniedError,
    receiver_errors,
    refusal,
)

_CONNECT = timedelta(seconds=5)
_ANSWER = timedelta(seconds=20)
"""On top of how long the receiver was asked to wait."""
_BODY_BYTES_MAX = 64 << 20
"""A fleet of 50,000 nodes is a third of it."""
_RENEW_BEFORE_SECONDS = 60
_HEADERS = {"User-Agent": f"airflow-transition/{__version__}", "Accept": "application/json"}

Query = Mapping[str, str | int | float]


@dataclass(frozen=True)
class Call:
    """One request to an absolute address."""

    method: str
    url: str
    query: Query = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    """Plain JSON; None: no body. That of a login holds the password."""
    wait: timedelta = timedelta(0)
    """How long the receiver may take before it answers."""
    token: str | None = field(default=None, repr=False)

    @property
    def where(self) -> str:
        return f"{self.method} {self.url}"

    def with_token(self, token: str) -> "Call":
        return Call(self.method, self.url, self.query, self.body, self.wait, token)


Conversation = Generator[Call, Answer, Answer]


class Tokens:
    """Tokens of Airflow users, kept until they expire; one for the process."""

    def __init__(self) -> None:
        self._kept: dict[ReceiverSettings, str] = {}

    def find(self, settings: ReceiverSettings) -> str | None:
        token = self._kept.get(settings)
        return token if token and time.time() < _expiry(token) - _RENEW_BEFORE_SECONDS else None

    def keep(self, settings: ReceiverSettings, token: str) -> None:
        self._kept[settings] = token

    def forget(self, settings: ReceiverSettings) -> None:
        self._kept.pop(settings, None)


_TOKENS = Tokens()


def converse(call: Call, *, settings: ReceiverSettings, tokens: Tokens = _TOKENS) -> Conversation:
    """What is sent for `call`, one after the other; returns its answer."""
    kept = tokens.find(settings)
    token = kept or (yield from _sign_in(settings))
    tokens.keep(settings, token)
    answer = yield call.with_token(token)
    if answer.status == HTTPStatus.UNAUTHORIZED and kept:
        tokens.forget(settings)
        token = yield from _sign_in(settings)
        tokens.keep(settings, token)
        answer = yield call.with_token(token)
    return answer


def _sign_in(settings: ReceiverSettings) -> Generator[Call, Answer, str]:
    body = {"username": settings.username, "password": settings.password}
    call = Call("POST", f"{settings.airflow_url}/auth/token", body=body)
    answer = yield call
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
        raise refusal(answer, where=call.where)
    try:
        return str(json.loads(answer.content)["access_token"])
    except (ValueError, KeyError, TypeError) as error:
        raise ReceiverDeniedError(
            "Airflow gave no token for this login",
            where=call.where,
            do="set `airflow_url` in the http connection's extra to Airflow's own address",
        ) from error


class ReceiverClient:
    """Sends for tasks; one connection is kept open between calls."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self.settings = settings
        self._client = httpx.Client(
            verify=settings.tls(), trust_env=False, headers=_HEADERS, follow_redirects=False
        )

    def send(self, call: Call) -> Answer:
        conversation = converse(call, settings=self.settings)
        try:
            step = next(conversation)
            while True:
                step = conversation.send(self._exchange(step))
        except StopIteration as done:
            answer: Answer = done.value
            return answer

    def close(self) -> None:
        self._client.close()

    def _exchange(self, call: Call) -> Answer:
        with (
            receiver_errors(call.where),
            self._client.stream(call.method, call.url, **_arguments(call)) as response,
        ):
            return Answer(response.status_code, _joined(response.iter_bytes(), where=call.where))


class AsyncReceiverClient:
    """Sends for triggers; use it as a context, in one event loop."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self.settings = settings
        self._client = httpx.AsyncClient(
            verify=settings.tls(), trust_env=False, headers=_HEADERS, follow_redirects=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def send(self, call: Call) -> Answer:
        conversation = converse(call, settings=self.settings)
        try:
            step = next(conversation)
            while True:
                step = conversation.send(await self._exchange(step))
        except StopIteration as done:
            answer: Answer = done.value
            return answer

    async def _exchange(self, call: Call) -> Answer:
        with receiver_errors(call.where):
            async with self._client.stream(call.method, call.url, **_arguments(call)) as response:
                content = await _ajoined(response.aiter_bytes(), where=call.where)
                return Answer(response.status_code, content)


def _arguments(call: Call) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {call.token}"} if call.token else {}
    read = (call.wait + _ANSWER).total_seconds()
    return {
        "params": dict(call.query),
        "json": call.body,
        "headers": headers,
        "timeout": httpx.Timeout(read, connect=_CONNECT.total_seconds()),
    }


def _joined(chunks: Iterable[bytes], *, where: str) -> bytes:
    content = bytearray()
    for chunk in chunks:
        _take(chunk, content=content, where=where)
    return bytes(content)


async def _ajoined(chunks: AsyncIterable[bytes], *, where: str) -> bytes:
    content = bytearray()
    async for chunk in chunks:
        _take(chunk, content=content, where=where)
    return bytes(content)


def _take(chunk: bytes, *, content: bytearray, where: str) -> None:
    content += chunk
    if len(content) > _BODY_BYTES_MAX:
        raise ReceiverAnswerError(
            "the answer is too large",
            where=where,
            found=f"more than {_BODY_BYTES_MAX} bytes",
            do="check the http connection's host",
        )


def _expiry(token: str) -> float:
    """When a JWT ends, in Unix time; a token that does not say so is used until it is refused."""
    try:
        claims = token.split(".")[1]
        padded = claims + "=" * (-len(claims) % 4)
        return float(json.loads(base64.urlsafe_b64decode(padded))["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return float("inf")
