"""Answers in the API server's own form: pretty JSON, and a `Status` object for every refusal."""

import json
from http import HTTPStatus
from typing import Any

from starlette.responses import PlainTextResponse, Response

from lab.api.kinds import Kind, Object


class ApiError(Exception):
    """A refusal, as the API server words it."""

    def __init__(
        self,
        status: HTTPStatus,
        message: str,
        *,
        reason: str,
        details: Object | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason
        self.details = details

    @property
    def body(self) -> Object:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({"details": self.details} if self.details is not None else {}),
            "code": int(self.status),
        }


def unauthorized() -> ApiError:
    return ApiError(HTTPStatus.UNAUTHORIZED, "Unauthorized", reason="Unauthorized")


def forbidden(
    kind: Kind, *, user: str, verb: str, resource: str, name: str, namespace: str
) -> ApiError:
    """RBAC's refusal; `resource` may name a subresource (`nodes/proxy`)."""
    qualified = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    subject = f'{qualified} "{name}"' if name else qualified
    scope = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return ApiError(
        HTTPStatus.FORBIDDEN,
        f'{subject} is forbidden: User "{user}" cannot {verb} resource "{resource}"'
        f' in API group "{kind.group}" {scope}',
        reason="Forbidden",
        details=_details(kind, name=name),
    )


def not_found(kind: Kind, *, name: str) -> ApiError:
    return ApiError(
        HTTPStatus.NOT_FOUND,
        f'{_qualified(kind)} "{name}" not found',
        reason="NotFound",
        details=_details(kind, name=name),
    )


def already_exists(kind: Kind, *, name: str) -> ApiError:
    return ApiError(
        HTTPStatus.CONFLICT,
        f'{_qualified(kind)} "{name}" already exists',
        reason="AlreadyExists",
        details=_details(kind, name=name),
    )


def bad_request(message: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, message, reason="BadRequest")


def invalid(kind: Kind, *, name: str, message: str) -> ApiError:
    return ApiError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f'{kind.name}{"." + kind.group if kind.group else ""} "{name}" is invalid: {message}',
        reason="Invalid",
        details={"name": name, "kind": kind.name},
    )


def json_answer(body: Any, *, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(
        pretty(body), status_code=int(status), headers={"content-type": "application/json"}
    )


def plain_answer(text: str, *, status: HTTPStatus) -> Response:
    return PlainTextResponse(text, status_code=int(status))


def pretty(body: Any) -> bytes:
    """JSON as Go writes it: two spaces, and the signs of HTML escaped."""
    text = json.dumps(body, indent=2, ensure_ascii=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode()


def _qualified(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def _details(kind: Kind, *, name: str) -> Object:
    return {
        **({"name": name} if name else {}),
        **({"group": kind.group} if kind.group else {}),
        "kind": kind.plural,
    }
