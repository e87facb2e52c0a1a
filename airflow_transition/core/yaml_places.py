"""YAML as places in its text, aliases included, so that one value is replaced and no other byte.

Composed nodes do not serve here: behind an alias they stand at their anchor, and a value written
there would change everywhere that the anchor is used.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from airflow_transition.core.yaml_nodes import (
    MAX_DEPTH,
    EventLoader,
    NotYamlError,
    not_yaml_from,
)

_PROPERTIES = re.compile(r"(?:(?:&[\w-]+|!<[^>]*>|![^\s,\[\]{}]*)(?:\s+#[^\r\n]*)?\s+)*")
"""Anchor and tag before a value, with what separates them from it."""


@dataclass(eq=False)
class Place:
    """Something written in the text: `text[start:end]`, its anchor and tag included."""

    start: int
    end: int
    line: int
    column: int
    anchor: str | None = None


@dataclass(eq=False)
class Scalar(Place):
    value: str = ""
    style: str = ""
    """Of how it is written: '' plain, else its quote or block indicator."""
    tag: str | None = None
    content: int = 0
    """Where the value itself starts, after anchor and tag."""
    plain_null: bool = False


@dataclass(eq=False)
class Mapping(Place):
    pairs: list[tuple[Place, Place]] = field(default_factory=list)
    flow: bool = False


@dataclass(eq=False)
class Listing(Place):
    entries: list[Place] = field(default_factory=list)


@dataclass(eq=False)
class Alias(Place):
    target: Place | None = None


@dataclass(frozen=True)
class Documents:
    """The documents of a text, and where each anchored place is used."""

    roots: tuple[Place, ...]
    uses: dict[int, list[Alias]]
    """By `id` of the place with the anchor."""

    def used_elsewhere(self, place: Place, *, apart_from: Collection[Place] = ()) -> bool:
        """Whether an alias repeats `place`, other than those about to be replaced."""
        return any(alias not in apart_from for alias in self.uses.get(id(place), ()))


def read_places(text: str, *, where: str) -> Documents:
    """Every document of `text`, which must begin after a byte order mark, if it has one."""
    builder = _Builder(text, where=where)
    try:
        for event in yaml.parse(text, Loader=EventLoader):
            builder.take(event)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise not_yaml_from(error, text=text, where=where) from None
    return Documents(tuple(builder.roots), builder.uses)


class _Builder:
    """Builds places from libyaml's stream of events, without recursion."""

    def __init__(self, text: str, *, where: str) -> None:
        self.text = text
        self.where = where
        self.roots: list[Place] = []
        self.uses: dict[int, list[Alias]] = {}
        self._anchors: dict[str, Place] = {}
        self._open: list[Mapping | Listing] = []
        self._keys: list[Place | None] = []

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._anchors.clear()
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event))
        elif isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event))
        elif isinstance(event, yaml.MappingStartEvent):
            self._enter(Mapping(*_span(event), event.anchor, flow=bool(event.flow_style)))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._enter(Listing(*_span(event), event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._leave(event)

    def _alias(self, event: Any) -> Alias:
        target = self._anchors.get(event.anchor)
        if target is None:
            line = event.start_mark.line + 1
            raise NotYamlError(f"no anchor &{event.anchor} before", where=self.where, line=line)
        alias = Alias(*_span(event), target=target)
        self.uses.setdefault(id(target), []).append(alias)
        return alias

    def _scalar(self, event: Any) -> Scalar:
        start, end, line, column = _span(event)
        properties = _PROPERTIES.match(self.text, start, end)
        return Scalar(
            start,
            end,
            line,
            column,
            event.anchor,
            value=event.value,
            style=event.style or "",
            tag=event.tag,
            content=properties.end() if properties else start,
            plain_null=not event.style and event.value in {"", "~", "null", "Null", "NULL"},
        )

    def _enter(self, place: Mapping | Listing) -> None:
        self._add(place)
        self._open.append(place)
        self._keys.append(None)
        if len(self._open) > MAX_DEPTH:
            problem = f"nests deeper than {MAX_DEPTH} levels"
            raise NotYamlError(problem, where=self.where, line=place.line)

    def _leave(self, event: Any) -> None:
        self._keys.pop()
        place = self._open.pop()
        place.end = event.end_mark.index
        if isinstance(place, Mapping):
            self._refuse_keys_twice(place)

    def _refuse_keys_twice(self, mapping: Mapping) -> None:
        """Readers differ in which of the two they take, so neither is right to change."""
        seen = set()
        for key, _ in mapping.pairs:
            if isinstance(key, Scalar) and key.value in seen:
                problem = f'the field "{key.value}" stands twice in one mapping'
                raise NotYamlError(problem, where=self.where, line=key.line)
            seen.add(value_of(key))

    def _add(self, place: Place) -> None:
        if place.anchor:
            self._anchors[place.anchor] = place
        if not self._open:
            self.roots.append(place)
            return
        parent, key = self._open[-1], self._keys[-1]
        if isinstance(parent, Listing):
            parent.entries.append(place)
        elif key is None:
            self._keys[-1] = place
        else:
            parent.pairs.append((key, place))
            self._keys[-1] = None


def _span(event: Any) -> tuple[int, int, int, int]:
    start = event.start_mark
    return start.index, event.end_mark.index, start.line + 1, start.column


def resolved(place: Place | None) -> Place | None:
    """What an alias stands for; anything else is itself."""
    return place.target if isinstance(place, Alias) else place


def value_of(place: Place | None) -> str | None:
    """Content of a scalar, behind an alias as well; None for null and for anything else."""
    place = resolved(place)
    return place.value if isinstance(place, Scalar) and not place.plain_null else None


def fields(place: Place | None) -> dict[str, Place]:
    """The fields that a mapping itself writes; none for anything else."""
    mapping = resolved(place)
    if not isinstance(mapping, Mapping):
        return {}
    named = ((value_of(key), value) for key, value in mapping.pairs)
    return {key: value for key, value in named if key is not None}


def find(place: Place | None, *keys: str) -> Place | None:
    """Value at the path `keys`, for reading: aliases and merge keys are followed."""
    trail = trail_to(place, *keys)
    return trail.places[-1] if trail else None


@dataclass(frozen=True)
class Trail:
    """The places from a document down to a value, aliases as they stand."""

    places: tuple[Place, ...]
    merged: bool
    """A merge key (`<<`) brings the value in: it is not written here."""

    @property
    def end(self) -> Place:
        return self.places[-1]

    def then(self, place: Place, *, merged: bool = False) -> "Trail":
        return Trail((*self.places, place), self.merged or merged)


def trail_to(start: Place | Trail | None, *keys: str) -> Trail | None:
    """The way to the value at the path `keys`, None where there is none."""
    if start is None:
        return None
    trail = start if isinstance(start, Trail) else Trail((start,), merged=False)
    for key in keys:
        found = next(_values(trail.end, key), None)
        if found is None:
            return None
        trail = trail.then(found[0], merged=found[1])
    return trail


def entries(trail: Trail | None) -> tuple[Trail, ...]:
    """The way to each entry of a list; none for anything else."""
    listing = resolved(trail.end) if trail else None
    if trail is None or not isinstance(listing, Listing):
        return ()
    return tuple(trail.then(entry) for entry in listing.entries)


def _values(place: Place, key: str, *, depth: int = 0) -> Iterator[tuple[Place, bool]]:
    """Value under `key`, then those that merge keys bring; and whether one did."""
    mapping = resolved(place)
    if not isinstance(mapping, Mapping) or depth > MAX_DEPTH:
        return
    merges = []
    for name, value in mapping.pairs:
        if value_of(name) == key:
            yield value, False
        elif value_of(name) == "<<":
            merges.append(value)
    for merge in merges:
        source = resolved(merge)
        for one in source.entries if isinstance(source, Listing) else (merge,):
            yield from ((value, True) for value, _ in _values(one, key, depth=depth + 1))
