"""Lists: selected by labels or by name, in pages."""

import base64
import json
from collections.abc import Mapping

from lab.api import selectors
from lab.api.answers import bad_request
from lab.api.kinds import Kind, Object, labels_of, name_of, namespace_of
from lab.api.objects import tidy


def page(kind: Kind, things: list[Object], *, query: Mapping[str, str], version: str) -> Object:
    """The answer to a list call: selectors, `limit` and `continue` are understood."""
    if query.get("watch", "false") not in ("false", "0", ""):
        raise bad_request("watch is not in this slice of the API")
    chosen = selectors.parse(query.get("labelSelector", ""))
    name = _name(query.get("fieldSelector", ""))
    found = [thing for thing in things if chosen(labels_of(thing)) and name in ("", name_of(thing))]
    if query.get("continue"):
        start = _opened(query["continue"])
        found = [thing for thing in found if _key(thing) > start]
    limit = _limit(query.get("limit", ""))
    shown = found[:limit] if limit else found
    metadata: Object = {"resourceVersion": version}
    if len(shown) < len(found):
        metadata["continue"] = _sealed(_key(shown[-1]))
        metadata["remainingItemCount"] = len(found) - len(shown)
    return {
        "kind": f"{kind.name}List",
        "apiVersion": kind.api_version,
        "metadata": metadata,
        "items": [tidy(thing) for thing in shown],
    }


def _key(thing: Object) -> tuple[str, str]:
    return namespace_of(thing), name_of(thing)


def _name(field_selector: str) -> str:
    """Of a `fieldSelector`, the name that it asks for; empty: any."""
    field, _, name = field_selector.partition("=")
    if field not in ("", "metadata.name"):
        raise bad_request(f'field label not supported: "{field}"')
    return name


def _limit(text: str) -> int:
    if not text:
        return 0
    if not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _sealed(key: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _opened(token: str) -> tuple[str, str]:
    try:
        namespace, name = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise bad_request("continue key is not valid: illegal base64 data") from error
    return str(namespace), str(name)
