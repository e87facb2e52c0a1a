"""Replace single YAML values in a text: whatever else is in it, every other byte stays."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.yaml_nodes import NotYamlError
from airflow_transition.core.yaml_places import (
    Alias,
    Documents,
    Listing,
    Mapping,
    Place,
    Scalar,
    Trail,
    read_places,
    value_of,
)

_PLAIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/:@+-]*(?<!:)$")
"""Text that is one plain scalar wherever it stands, also between brackets."""


class NotSpliceableError(PermanentError):
    """The value cannot be replaced without a change to something else."""


@dataclass(frozen=True)
class Splice:
    """`text[start:end]` becomes `new`, and with it `place` reads `value`."""

    start: int
    end: int
    new: str
    place: Place
    """The value that is replaced, or the mapping that gets `key` as its first field."""
    value: str
    key: str | None = None


def splice(text: str, *, documents: Documents, splices: Sequence[Splice], where: str) -> str:
    """`text` with each splice made, read again to be sure that only those values differ."""
    changed = text
    for one in sorted(splices, key=lambda one: (one.start, one.end), reverse=True):
        changed = changed[: one.start] + one.new + changed[one.end :]
    try:
        after = read_places(changed, where=where)
    except NotYamlError as error:
        raise _refusal(
            "is written in a way that leaves no YAML", line=error.line, where=where
        ) from error
    by_place = {id(one.place): one for one in splices}
    same_count = len(documents.roots) == len(after.roots)
    pairs = zip(documents.roots, after.roots, strict=False)
    if not (same_count and all(_as_meant(old, new, by_place) for old, new in pairs)):
        line = min((one.place.line for one in splices), default=1)
        raise _refusal("cannot be changed alone", line=line, where=where)
    return changed


def replacement(
    text: str,
    trail: Trail,
    *,
    value: str,
    documents: Documents,
    where: str,
    together: Collection[Place] = (),
) -> Splice:
    """The splice that makes the scalar at the end of `trail` read `value`, in its own style.

    `together` are the places that the same change replaces: an anchor that only they use may go.
    """
    place = trail.end
    _refuse_shared(trail, documents=documents, where=where, together=together)
    if isinstance(place, Alias):
        return Splice(place.start, place.end, _written(value, style=""), place, value)
    if not isinstance(place, Scalar):
        raise _refusal("is no single value, or a template", line=place.line, where=where)
    if "{{" in place.value:
        raise _refusal("is a template", line=place.line, where=where)
    if place.style in {"|", ">"}:
        return _in_block(text, place, value=value, where=where)
    if place.content == place.end:
        return Splice(place.end, place.end, f" {_written(value, style='')}", place, value)
    return Splice(place.content, place.end, _written(value, style=place.style), place, value)


def insertion(
    text: str, trail: Trail, *, key: str, value: str, documents: Documents, where: str
) -> Splice:
    """The splice that gives the mapping at the end of `trail` the field `key`, as its first."""
    mapping = trail.end
    _refuse_shared(trail, documents=documents, where=where, together=())
    if not isinstance(mapping, Mapping) or not mapping.pairs:
        raise _refusal("belongs into something that has no fields", line=mapping.line, where=where)
    first = mapping.pairs[0][0]
    if mapping.flow:
        quote = '"' if isinstance(first, Scalar) and first.style == '"' else ""
        new = f"{quote}{key}{quote}: {value}, "
    else:
        indent = " " * first.column
        new = f"{key}: {value}{_line_end(text, after=first.start)}{indent}"
    return Splice(first.start, first.start, new, mapping, value, key)


def _in_block(text: str, place: Scalar, *, value: str, where: str) -> Splice:
    """Inside a block scalar only its words change; its indicator and comment stay."""
    if place.value != place.value.strip():
        problem = "begins or ends in a line break"
        raise _refusal(problem, line=place.line, where=where)
    words = re.compile(r"[^\r\n]*(?:\r\n?|\n)\s*").match(text, place.content, place.end)
    start = words.end() if words else place.end
    end = start + len(text[start : place.end].rstrip())
    return Splice(start, end, value, place, value)


def _refuse_shared(
    trail: Trail, *, documents: Documents, where: str, together: Collection[Place]
) -> None:
    *above, place = trail.places
    if trail.merged:
        problem = "comes in by a merge key (<<)"
        raise _refusal(problem, line=place.line, where=where)
    for ancestor in above:
        if isinstance(ancestor, Alias):
            raise _refusal("is behind an alias", line=ancestor.line, where=where)
        if documents.used_elsewhere(ancestor):
            problem = f"is inside the anchor &{ancestor.anchor}, which is used elsewhere as well"
            raise _refusal(problem, line=ancestor.line, where=where)
    if documents.used_elsewhere(place, apart_from=together):
        problem = f"has the anchor &{place.anchor}, which is used elsewhere as well"
        raise _refusal(problem, line=place.line, where=where)


def _refusal(problem: str, *, line: int, where: str) -> NotSpliceableError:
    return NotSpliceableError(
        f"a value that must change {problem}",
        where=f"{where}:{line}",
        do="write the value plainly in its own place, so that nothing else changes with it",
    )


def _written(value: str, *, style: str) -> str:
    if style == "'":
        return "'" + value.replace("'", "''") + "'"
    if style == '"' or not _PLAIN.match(value):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value


def _line_end(text: str, *, after: int) -> str:
    """As the line at `after` ends."""
    end = text.find("\n", after)
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def _as_meant(old: Place, new: Place, splices: dict[int, Splice]) -> bool:
    """Whether `new` is `old` with the splices made, and nothing else."""
    made = splices.get(id(old))
    if made is not None and made.key is None:
        return isinstance(new, Scalar) and new.value == made.value and new.anchor == old.anchor
    if type(old) is not type(new) or _itself(old) != _itself(new):
        return False
    before, after = _parts(old), _parts(new)
    if made is not None:
        key, value, *after = after
        if (value_of(key), value_of(value)) != (made.key, made.value):
            return False
    return len(before) == len(after) and all(
        _as_meant(a, b, splices) for a, b in zip(before, after, strict=True)
    )


def _itself(place: Place) -> tuple[str | None, ...]:
    """What a place says apart from its parts."""
    if isinstance(place, Scalar):
        return place.anchor, place.value, place.style, place.tag
    if isinstance(place, Alias) and place.target is not None:
        return (place.target.anchor,)
    return (place.anchor,)


def _parts(place: Place) -> list[Place]:
    if isinstance(place, Mapping):
        return [part for pair in place.pairs for part in pair]
    return place.entries if isinstance(place, Listing) else []
