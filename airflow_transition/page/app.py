"""The page as an ASGI application; Airflow mounts it beside the receiver."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from airflow_transition.page.security_headers import SecurityHeaders
from airflow_transition.page.shell import PAGES, shell

_STATIC = Path(__file__).parent / "static"
_UNAUTHORIZED = 401
_NOT_FOUND = 404
_FIRST = "fleet"

Authenticate = Callable[[Request], Awaitable[Any]]
"""Raises HTTPException 401 where nobody is signed in."""
SignIn = Callable[[str], str]
"""Address to sign in at, from the address to come back to."""


class _Forever(StaticFiles):
    """Each version of the files has an address of its own, so that a browser asks once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def create_page(authenticate: Authenticate, *, sign_in: SignIn) -> FastAPI:
    """All pages. What they show they ask of the catalogue, as the person who looks."""
    app = FastAPI(title="airflow-transition page", openapi_url=None)
    app.add_middleware(SecurityHeaders)
    static = f"static/{_version()}"
    app.mount(f"/{static}", _Forever(directory=_STATIC))

    @app.get("/")
    async def first() -> RedirectResponse:
        return RedirectResponse(_FIRST)

    @app.get("/{icon}.svg")
    async def icon(icon: Literal["icon", "icon-dark"]) -> FileResponse:
        """For Airflow's navigation, which knows no version."""
        return FileResponse(_STATIC / f"{icon}.svg")

    @app.get("/{name}")
    async def page(request: Request, name: str) -> Response:
        if name not in PAGES:
            raise HTTPException(_NOT_FOUND, "there is no such page; try fleet")
        try:
            await authenticate(request)
        except HTTPException as error:
            if error.status_code != _UNAUTHORIZED:
                raise
            return RedirectResponse(sign_in(_address(request)))
        return HTMLResponse(shell(PAGES[name], static=static))

    return app


def _address(request: Request) -> str:
    """Path and query of a request, as the browser sent it."""
    path = quote(request.url.path)
    return f"{path}?{request.url.query}" if request.url.query else path


def _version() -> str:
    """Of the static files' contents."""
    digest = hashlib.sha256()
    for file in sorted(_STATIC.rglob("*")):
        if file.is_file():
            digest.update(str(file.relative_to(_STATIC)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
