"""POST /heartbeat as the OpenAPI document shows it."""

from fastapi import APIRouter, Security
from fastapi.security import HTTPBearer
from transition_wire.heartbeat import HEARTBEAT_PATH, Heartbeat, HeartbeatReply

from airflow_transition.heartbeat.answers import answers
from airflow_transition.heartbeat.guide import GuideHeartbeat, UntrustedReply

router = APIRouter(tags=["agents"])

_TOKEN = HTTPBearer(
    scheme_name="token", description="A token of the node, or of a reader.", auto_error=False
)
_REF = "#/components/schemas/{model}"


@router.post(
    HEARTBEAT_PATH,
    response_model=HeartbeatReply | UntrustedReply,
    dependencies=[Security(_TOKEN)],
    responses={
        **answers(400, 409, 413),
        422: {"description": "Malformed; where and why"},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "anyOf": [
                            {"$ref": _REF.format(model=model.__name__)}
                            for model in (Heartbeat, GuideHeartbeat)
                        ]
                    }
                }
            },
        }
    },
)
async def heartbeat() -> None:
    """A node's sign of life. The answer's fences come before anything else that the agent does."""
    raise NotImplementedError("the application takes heartbeats before it looks for a route")
