"""Bounds the body of every request; heartbeats have a smaller bound of their own."""

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 4 * 1024 * 1024
"""A claim of some thousand packages."""


class BodyLimit:
    """Counts what arrives, whatever the request says of its length."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > MOST_BYTES:
                raise HTTPException(413, f"a body has at most {MOST_BYTES} bytes")
            return message

        await self._app(scope, counted, send)
