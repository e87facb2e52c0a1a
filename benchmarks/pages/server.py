"""The receiver's application with nobody's heartbeats, for whoever asks: `... <port>`.

Airflow's login is not in it; each answer says how many questions the database was asked for it.
"""

import os
import sys
from dataclasses import dataclass
from typing import Any

import uvicorn
from sqlalchemy import create_engine, event
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_transition.heartbeat.app import create_app
from airflow_transition.heartbeat.store import Store


@dataclass(frozen=True)
class Anybody:
    name: str = "bench"

    def may_trigger(self) -> bool:
        return True

    def is_admin(self) -> bool:
        return True


async def _anybody(_: Request) -> Anybody:
    return Anybody()


class CountQueries:
    """One request at a time, so that the difference is its own."""

    def __init__(self, app: ASGIApp, *, seen: list[int]) -> None:
        self._app = app
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        before = self._seen[0]

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count = str(self._seen[0] - before).encode()
                message["headers"] = [*message["headers"], (b"x-queries", count)]
            await send(message)

        await self._app(scope, receive, counted)


def main() -> None:
    engine = create_engine(os.environ["PAGE_DATABASE"])
    seen = [0]

    def note(*_: Any) -> None:
        seen[0] += 1

    app = create_app(Store(engine), _anybody)
    event.listen(engine, "before_cursor_execute", note)
    app.add_middleware(CountQueries, seen=seen)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
