"""What monitors ask for: /metrics and /healthz."""

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from airflow_transition.catalogue.asking import Ask
from airflow_transition.catalogue.metrics import catalogue_metrics
from airflow_transition.heartbeat.answers import answers
from airflow_transition.heartbeat.people import AnyPerson, Authenticate, TheReceiver
from airflow_transition.heartbeat.receiver import Receiver

router = APIRouter(tags=["service"])

_BEARER = "bearer "


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        **answers(),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
    },
    openapi_extra={"security": [{"airflow": []}, {"token": []}]},
)
async def metrics(request: Request, receiver: TheReceiver) -> Response:
    """In Prometheus's format; for a user of Airflow, or by a reader's token."""
    if not _is_reader(receiver, header=request.headers.get("authorization", "")):
        authenticate: Authenticate = request.app.state.authenticate
        await authenticate(request)
    watch = receiver.watches.of(receiver.settings.default_grace.total_seconds())
    text = receiver.metrics.render(
        healths=(watch.health(node) for node in receiver.fleet), promises=receiver.promises
    )
    ask = Ask(receiver, watch, receiver.moment(), may_trigger=False)
    text += await run_in_threadpool(catalogue_metrics, ask)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json", include_in_schema=False, dependencies=[AnyPerson])
async def openapi(request: Request) -> JSONResponse:
    """What can be asked here."""
    app: FastAPI = request.app
    return JSONResponse(app.openapi())


@router.get("/healthz")
async def healthz() -> str:
    """Open to everybody, and says nothing else."""
    return "ok"


def _is_reader(receiver: Receiver, *, header: str) -> bool:
    if header[: len(_BEARER)].lower() != _BEARER:
        return False
    secret = header[len(_BEARER) :].strip().encode()
    bearer = receiver.tokens.bearer(secret, wall=receiver.wall())
    return bearer is not None and bearer.kind == "reader"
