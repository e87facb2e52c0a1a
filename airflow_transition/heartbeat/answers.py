"""What the OpenAPI document says of answers that are not the ordinary one."""

from typing import Any

from pydantic import BaseModel


class Detail(BaseModel):
    """Why the request was not answered as asked."""

    detail: str


_TEXTS = {
    400: "The body is no JSON",
    401: "No valid credentials",
    403: "Not allowed",
    404: "Not known",
    409: "It contradicts what is there",
    413: "The body is too large",
    429: "Too much at once",
    503: "The receiver cannot read its tables yet",
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The named ones and those that every protected call can give."""
    return {
        status: {"model": Detail, "description": _TEXTS[status]}
        for status in sorted({401, 403, 503, *statuses})
    }
