"""The four ways to change an object: merge, strategic merge, JSON patch, server-side apply."""

import copy
from typing import Any

from lab.api.answers import bad_request
from lab.api.kinds import Object


def merge(live: Any, patch: Any) -> Any:  # noqa: FBT001, RUF100 - two documents, as in the RFC
    """RFC 7386; also serves as strategic merge for maps (lists are replaced as a whole)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def json_patch(live: Object, operations: list[Object]) -> Object:
    """RFC 6902 without `move` and `copy`, which nobody sends here."""
    patched = copy.deepcopy(live)
    for operation in operations:
        *path, last = [
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        ]
        try:
            place: Any = patched
            for part in path:
                place = place[int(part)] if isinstance(place, list) else place[part]
            _operate(place, last, operation=operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise bad_request(f"the server rejected our request: {operation}") from error
    return patched


def apply(live: Object, *, before: Object, after: Object) -> Object:
    """Server-side apply by one manager, who applied `before` the last time and `after` now.

    Fields of others stay (a door's key in a Service's selector does); fields that the manager had
    and no longer names go. Lists belong to their manager as a whole.
    """
    applied = dict(live)
    for key in before.keys() - after.keys():
        rest = _without(applied.get(key), before[key])
        if rest is None:
            applied.pop(key, None)
        else:
            applied[key] = rest
    for key, value in after.items():
        known = applied.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            earlier = before.get(key)
            applied[key] = apply(
                known, before=earlier if isinstance(earlier, dict) else {}, after=value
            )
        else:
            applied[key] = copy.deepcopy(value)
    return applied


def _without(live: Any, before: Any) -> Any:
    """What is left of `live` when the leaves of `before` go; None when nothing is."""
    if not (isinstance(live, dict) and isinstance(before, dict)):
        return None
    rest = apply(live, before=before, after={})
    return rest or None


def _operate(place: Any, last: str, *, operation: Object) -> None:
    key: Any = last
    if isinstance(place, list):
        key = len(place) if last == "-" else int(last)
    match operation["op"]:
        case "add" if isinstance(place, list):
            place.insert(key, operation["value"])
        case "add":
            place[key] = operation["value"]
        case "replace":
            place[key]
            place[key] = operation["value"]
        case "remove":
            del place[key]
        case "test" if place[key] != operation["value"]:
            raise ValueError(operation["path"])
        case "test":
            pass
        case other:
            raise ValueError(other)
