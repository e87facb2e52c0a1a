"""The receiver as an ASGI application: mounted in Airflow's API server, or alone under uvicorn."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send
from transition_wire.heartbeat import Heartbeat

import airflow_transition
from airflow_transition.catalogue.pins import Pins, StoredPins
from airflow_transition.catalogue.routes import CATALOGUE_ROUTERS
from airflow_transition.catalogue.versions import Versions
from airflow_transition.heartbeat import (
    claim_routes,
    fleet_routes,
    heartbeat_route,
    lease_routes,
    service_routes,
    token_routes,
)
from airflow_transition.heartbeat.body_limit import BodyLimit
from airflow_transition.heartbeat.guide import GuideHeartbeat
from airflow_transition.heartbeat.heartbeats import Heartbeats
from airflow_transition.heartbeat.people import Authenticate
from airflow_transition.heartbeat.receiver import NotReadyError, Receiver
from airflow_transition.heartbeat.settings import ReceiverSettings
from airflow_transition.heartbeat.store import Store

log = logging.getLogger(__name__)

_UNAVAILABLE, _UNPROCESSABLE = 503, 422
_ROUTERS = (
    heartbeat_route.router,
    fleet_routes.router,
    claim_routes.router,
    lease_routes.router,
    token_routes.router,
    service_routes.router,
    *CATALOGUE_ROUTERS,
)


def monotonic() -> float:
    """Goes on while the machine sleeps, so that this shows as the pause that it is."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def create_app(
    store: Store,
    authenticate: Authenticate,
    now: Callable[[], float] = monotonic,
    *,
    wall: Callable[[], float] = time.time,
    settings: ReceiverSettings | None = None,
    pins: Pins | None = None,
) -> FastAPI:
    """`now` decides, and has to be monotonic; `wall` is shown to people and ends tokens.

    `pins` are those in S3, unless a test holds them.
    """
    receiver = Receiver(store, settings=settings or ReceiverSettings(), now=now, wall=wall)
    app = _Application(
        title="airflow-transition receiver",
        version=airflow_transition.__version__,
        lifespan=_lifespan,
        openapi_url=None,  # service_routes has it, for people who are known
    )
    app.state.receiver = receiver
    app.state.heartbeats = Heartbeats(receiver)
    app.state.authenticate = authenticate
    app.state.pins = pins or StoredPins()
    app.state.versions = Versions(receiver)
    app.add_middleware(BodyLimit)
    app.add_exception_handler(NotReadyError, _not_ready)
    app.add_exception_handler(SQLAlchemyError, _no_database)
    app.add_exception_handler(RequestValidationError, _malformed)
    for router in _ROUTERS:
        app.include_router(router)
    return app


class _Application(FastAPI):
    """Reads heartbeats by hand, and names their models in its OpenAPI document all the same."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if Heartbeats.is_one(scope):
            await self.state.heartbeats(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        schemas = document["components"]["schemas"]
        for model in (Heartbeat, GuideHeartbeat):
            if model.__name__ not in schemas:
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs", {}))
                schemas[model.__name__] = schema
        return document


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    receiver: Receiver = app.state.receiver
    await receiver.start()
    try:
        yield
    finally:
        await receiver.stop()


async def _not_ready(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=_UNAVAILABLE)


async def _no_database(_: Request, error: Exception) -> JSONResponse:
    """The driver's message can hold the address and the values: it is for the log only."""
    log.error("the database did not do what was asked: %s", getattr(error, "orig", error))
    detail = f"the receiver's database did not answer ({type(error).__name__}); try again"
    return JSONResponse({"detail": detail}, status_code=_UNAVAILABLE)


async def _malformed(_: Request, error: Exception) -> JSONResponse:
    """Where and what, without what was sent: it can be a secret, or bytes that are no text."""
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    detail = [{"loc": each["loc"], "msg": each["msg"], "type": each["type"]} for each in found]
    return JSONResponse({"detail": detail}, status_code=_UNPROCESSABLE)
