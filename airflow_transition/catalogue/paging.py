"""Keyset paging: a page begins after the last row of the one before, whatever came in between."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import HTTPException, Query
from sqlalchemy import ColumnElement, literal, tuple_

from airflow_transition.catalogue.views import MOST_LIMIT
from airflow_transition.heartbeat.answers import Detail

_BAD_REQUEST = 400
_MOST_CURSOR = 4000
_TEXT = r"^[^\x00]*$"

Limit = Annotated[int, Query(ge=1, le=MOST_LIMIT, description="Rows of one page.")]
CursorText = Annotated[
    str | None,
    Query(max_length=_MOST_CURSOR, pattern=_TEXT, description="`next` of the page before."),
]
Search = Annotated[
    str | None,
    Query(max_length=200, pattern=_TEXT, description="A part of a name, in any case."),
]
Name = Annotated[str | None, Query(max_length=700, pattern=_TEXT)]

Key = tuple[Any, ...]


BAD_CURSOR: dict[int | str, dict[str, Any]] = {
    _BAD_REQUEST: {"model": Detail, "description": "The cursor is not one of this list"}
}


def write_cursor(key: Sequence[Any]) -> str:
    """Of the last row of a page: text, numbers, moments or None."""
    parts = [[part.isoformat()] if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *, kinds: Sequence[type]) -> Key | None:
    """The key that a page begins after; None: at the beginning."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        key = tuple(_part(part) for part in parts)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _refused() from None
    fits = len(key) == len(kinds) and all(map(isinstance, key, kinds))
    if not fits or any(isinstance(part, str) and "\0" in part for part in key):
        raise _refused()
    return key


def after(columns: Sequence[Any], *, key: Key | None, falls: bool) -> list[ColumnElement[bool]]:
    """Rows behind `key` in the order of these columns; an index over them finds the place."""
    if key is None:
        return []
    mine = tuple_(*columns)
    last = tuple_(*(literal(part, column.type) for part, column in zip(key, columns, strict=True)))
    return [mine < last if falls else mine > last]


def contains(column: Any, text: str) -> ColumnElement[bool]:
    """Whatever is searched for means itself: no wildcards."""
    found: ColumnElement[bool] = column.icontains(text, autoescape=True)
    return found


def _part(part: Any) -> Any:
    if isinstance(part, list):
        (text,) = part
        return datetime.fromisoformat(text).astimezone(UTC)
    return part


def _refused() -> HTTPException:
    return HTTPException(_BAD_REQUEST, "cursor: not one of this list; begin again without a cursor")
