"""One YAML document of a policy file: the policy that it is, or all that is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from yaml import MappingNode, Node, ScalarNode, SequenceNode
from yaml.constructor import ConstructorError, SafeConstructor

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_messages import message_for
from airflow_transition.core.policy_rules import Location, broken_rules
from airflow_transition.core.yaml_nodes import child, descend, line_of, pairs, text_of

_YAML = "tag:yaml.org,2002:"
_TEXT_TAGS = {f"{_YAML}{name}" for name in ("str", "timestamp", "value", "merge")}
"""Dates are text to Kubernetes, and so to us."""
_SHOWN = 400
"""Characters of a field's path or a message; no honest one is longer."""
_PLAIN_TAGS = {f"{_YAML}{name}" for name in ("bool", "int", "float", "null")}


@dataclass(frozen=True, order=True)
class Problem:
    """One error of a policy file; prints as `file:line: field: message`."""

    path: str
    line: int
    field: str
    message: str

    @property
    def text(self) -> str:
        """Without the place, which some forms of a report say apart."""
        return f"{_shown(self.field)}: {_shown(self.message)}"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def _shown(text: str) -> str:
    """On one line: names in a document may hold line breaks and terminal codes."""
    if not text.isprintable():
        text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class PolicyDocument:
    """A document with its problems; `policy` is None exactly when there are any."""

    def __init__(self, root: Node, *, path: str) -> None:
        self.root = root
        self.path = path
        self.policy: ClusterPolicy | None = None
        self._found: dict[Location, Problem] = {}
        self._validate(self._plain(root, ()))

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._found.values())

    @property
    def name(self) -> str:
        """As written, for documents that are broken elsewhere; empty where there is none."""
        return text_of(descend(self.root, "metadata", "name")) or ""

    @property
    def name_line(self) -> int:
        return self._line(("metadata", "name"))

    @property
    def name_place(self) -> str:
        return f"{self.path}:{self.name_line}"

    def _validate(self, plain: Any) -> None:
        if not isinstance(plain, dict):
            self._add((), "is no policy; begin with apiVersion, kind, metadata and spec")
            return
        try:
            policy = ClusterPolicy.of_document(plain)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                self._add_details(details)
            for rule in broken_rules(plain):
                self._add(rule.location, rule.message)
        else:
            self.policy = None if self._found else policy

    def _add_details(self, details: ErrorDetails) -> None:
        location = details["loc"]
        message = message_for(details, node=descend(self.root, *location))
        if details["type"] == "extra_forbidden":
            self._add(location, message, line=self._line(location, of_key=True))
        else:
            self._add(location, message)

    def _add(self, location: Location, message: str, *, line: int | None = None) -> None:
        """The first error of a field tells enough: others only follow from it."""
        field = ".".join(map(str, location)) or "document"
        line = line or self._line(location)
        self._found.setdefault(location, Problem(self.path, line, field, message))

    def _line(self, location: Location, *, of_key: bool = False) -> int:
        """Of a scalar; of the key that a collection stands under; else of what lacks the field."""
        node, line = self.root, line_of(self.root)
        for name in location:
            key, value = _entry(node, name)
            if value is None:
                return line
            line, node = line_of(key or value), value
        if of_key or not isinstance(node, ScalarNode):
            return line
        return max(line, line_of(node))  # an alias's node stands above, at its anchor

    def _plain(self, node: Node, location: Location) -> Any:
        if isinstance(node, MappingNode):
            self._refuse_odd_keys(node, location)
            return {
                key.value: self._plain(value, (*location, key.value))
                for key, value in pairs(node)
                if isinstance(key, ScalarNode)
            }
        if isinstance(node, SequenceNode):
            return [self._plain(entry, (*location, i)) for i, entry in enumerate(node.value)]
        return self._scalar(node, location)

    def _scalar(self, node: Node, location: Location) -> Any:
        if node.tag in _TEXT_TAGS:
            return node.value
        if node.tag not in _PLAIN_TAGS:
            self._add(location, f"has the tag {node.tag.replace(_YAML, '!!')}; remove the tag")
            return node.value
        try:
            return SafeConstructor().construct_object(node)
        except (ConstructorError, ValueError, KeyError):
            self._add(location, f"is no {node.tag.removeprefix(_YAML)}; correct it, or quote it")
            return node.value

    def _refuse_odd_keys(self, node: MappingNode, location: Location) -> None:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                self._add(location, "has a field whose name is a list or mapping; remove it")
            elif key.value in first:
                message = f"stands here again, after line {first[key.value]}; remove one of the two"
                self._add((*location, key.value), message, line=line_of(key))
            else:
                first[key.value] = line_of(key)


def _entry(node: Node, name: str | int) -> tuple[Node | None, Node | None]:
    """Key and value of a mapping, or None and the entry of a list."""
    for key, value in _scalar_keys(node):
        if key.value == name:
            return key, value
    return None, child(node, name)


def _scalar_keys(node: Node) -> Iterator[tuple[ScalarNode, Node]]:
    for key, value in pairs(node) if isinstance(node, MappingNode) else ():
        if isinstance(key, ScalarNode):
            yield key, value
