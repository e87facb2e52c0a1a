"""Label selectors: the query parameter of lists, and the `selector` field of objects."""

import re
from collections.abc import Callable, Mapping

from lab.api.answers import bad_request
from lab.api.kinds import Object

Labels = Mapping[str, str]
Matches = Callable[[Labels], bool]

_TERM = re.compile(
    r"\s*(?:"
    r"(?P<set_key>[\w./-]+)\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\)"
    r"|(?P<key>[\w./-]+)\s*(?P<sign>==|=|!=)\s*(?P<value>[\w.-]*)"
    r"|(?P<not>!?)\s*(?P<exists>[\w./-]+)"
    r")\s*(?:,|$)"
)


def parse(selector: str) -> Matches:
    """The query parameter `labelSelector`: `a=b,c!=d,e in (f,g),h,!i`."""
    terms: list[Matches] = []
    position = 0
    while position < len(selector):
        found = _TERM.match(selector, position)
        if found is None:
            raise bad_request(f'unable to parse requirement: found "{selector[position:]}"')
        terms.append(_term(found))
        position = found.end()
    return lambda labels: all(term(labels) for term in terms)


def matches(selector: Object | None, *, labels: Labels) -> bool:
    """A `selector` with matchLabels and matchExpressions; an empty one matches all."""
    if selector is None:
        return False
    wanted = (selector.get("matchLabels") or {}).items()
    return wanted <= labels.items() and all(
        _expression(each, labels=labels) for each in selector.get("matchExpressions") or ()
    )


def _term(found: re.Match[str]) -> Matches:
    if found["set"]:
        key, values = found["set_key"], {each.strip() for each in found["values"].split(",")}
        inside = found["set"] == "in"
        return lambda labels: (labels.get(key) in values) == inside
    if found["sign"]:
        key, value, equal = found["key"], found["value"], found["sign"] != "!="
        return lambda labels: (labels.get(key) == value) == equal
    name, wanted = found["exists"], not found["not"]
    return lambda labels: (name in labels) == wanted


def _expression(each: Object, *, labels: Labels) -> bool:
    value = labels.get(each["key"])
    match each["operator"]:
        case "In":
            return value in each["values"]
        case "NotIn":
            return value not in each["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None
