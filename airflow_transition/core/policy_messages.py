"""What is wrong with a field of a policy, in the words of the person who wrote it.

Values are repeated only where they cannot be secret: enums, names and times.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from yaml import MappingNode, Node, ScalarNode

from airflow_transition.core.policy import API_VERSION, ClusterPolicy

_OLD_FIELDS = {
    "transitionMode": "is no longer used; remove it",
    "packageRetentionPolicy": "is no longer used; remove it: a planned move retires the source",
    "selected": "is no longer used; remove it: a package listed here is selected",
    "status": "is written by the API server; remove it",
    "creationTimestamp": "is written by the API server; remove it",
    "generation": "is written by the API server; remove it",
    "managedFields": "is written by the API server; remove it",
    "resourceVersion": "is written by the API server; remove it",
    "uid": "is written by the API server; remove it",
}
_MISSING = {
    "apiVersion": f"write {API_VERSION}",
    "kind": "write ClusterPolicy",
    "name": "give it one",
    "metadata": "give the policy a name: metadata.name",
    "spec": "it says what is protected: spec.clusterSelector and spec.packageSelectors",
    "clusterSelector": "name the source cluster: name, repo, repoType",
    "repo": "write the URL of the Git repository that deploys to this cluster",
    "repoType": "write git",
    "selectMode": "write Specific or All",
    "packagePath": "write the package's folder in the repository",
    "packageType": "write Stateful or Stateless",
    "backupType": "write Schedule or Manual",
    "close": "say how the package stops taking work: exec or http",
    "open": "say how the package takes work again; a restored process is still closed",
}
_PATTERNS = {"path": "must begin with a slash and hold no space"}
_KINDS = {
    "string": "text",
    "bool": "true or false, without quotes",
    "int": "a whole number, without quotes",
    "tuple": "a list, each entry beginning with '- '",
    "dict": "a mapping of names to text",
    "model": "a mapping of fields",
}


def message_for(error: ErrorDetails, *, node: Node | None) -> str:
    """`node` is the value in the file, None where the field is missing."""
    kind, field = error["type"], str(error["loc"][-1]) if error["loc"] else "document"
    if kind == "missing":
        return f"is missing; {_MISSING.get(field, 'write it')}"
    if kind == "extra_forbidden":
        return _unknown_field(field, within=error["loc"][:-1])
    if isinstance(node, ScalarNode) and error["input"] is None and kind != "policy_rule":
        return "is empty; write a value or remove the field"
    for ending in ("_type", "_parsing"):
        if kind.endswith(ending):
            return _wrong_kind(kind.removesuffix(ending), node=node)
    say = _SAY.get(kind)
    return say(field, _written(node), error.get("ctx", {})) if say else error["msg"]


def _unknown_field(field: str, *, within: tuple[int | str, ...]) -> str:
    if field in _OLD_FIELDS:
        return _OLD_FIELDS[field]
    known = list(fields_at(within))
    close = get_close_matches(field, known, n=1, cutoff=0.6) or get_close_matches(
        field.lower(), [name.lower() for name in known], n=1, cutoff=0.6
    )
    if close:
        meant = next(name for name in known if name.lower() == close[0].lower())
        return f'unknown field; did you mean "{meant}"?'
    homes = [path or "the document" for path, name, _ in all_fields() if name == field]
    if homes:
        return f"does not belong here but in {' or '.join(homes)}; check the indentation"
    return f"unknown field; known here: {', '.join(known)}"


def _wrong_kind(wanted: str, *, node: Node | None) -> str:
    name = next((text for kind, text in _KINDS.items() if wanted.startswith(kind)), wanted)
    if isinstance(node, ScalarNode):
        written = str(node.value)
        if wanted == "string" and len(written) <= _ECHOED:
            return f'reads as {_tag(node)}, not as text; quote it: "{written}"'
        return f"is {_tag(node)}; write {name}"
    found = "a mapping" if isinstance(node, MappingNode) else "a list"
    return f"is {found}; write {name}"


_ECHOED = 80
"""Longer values are no names; they are not repeated."""


def _written(node: Node | None) -> str:
    if isinstance(node, ScalarNode) and len(node.value) <= _ECHOED:
        return f'"{node.value}"'
    return "the value"


def _tag(node: ScalarNode) -> str:
    names = {"bool": "true or false", "int": "a number", "float": "a number", "null": "nothing"}
    return names.get(str(node.tag).rpartition(":")[2], "text")


def _not_a_choice(_: str, written: str, context: Mapping[str, Any]) -> str:
    choices = [word.strip("'") for word in str(context["expected"]).split(" or ")]
    choices = [choice.strip("' ") for part in choices for choice in part.split(",")]
    by_lower = {choice.lower(): choice for choice in choices}
    close = get_close_matches(written.strip('"').lower(), list(by_lower), n=1, cutoff=0.6)
    if close:
        return f'{written} is unknown; did you mean "{by_lower[close[0]]}"?'
    return f"{written} is unknown; write {' or '.join(choices)}"


def _not_a_name(field: str, written: str, _: Mapping[str, Any]) -> str:
    return _PATTERNS.get(
        field, f"{written} must be lower-case letters, digits and dashes, with no dash at an end"
    )


_SAY: Mapping[str, Callable[[str, str, Mapping[str, Any]], str]] = {
    "literal_error": _not_a_choice,
    "string_pattern_mismatch": _not_a_name,
    "string_too_long": lambda _, __, c: f"is longer than {c['max_length']} characters; shorten it",
    "too_short": lambda _, __, ___: "is empty; write at least one entry",
    "greater_than_equal": lambda _, written, c: f"{written} is too small; at least {c['ge']}",
    "less_than_equal": lambda _, written, c: f"{written} is too large; at most {c['le']}",
    "value_error": lambda _, __, c: str(c["error"]),
    "policy_rule": lambda _, __, c: str(c["rule"]),
}


def fields_at(location: tuple[int | str, ...]) -> Iterator[str]:
    """Names of the fields that a document has at `location`."""
    model: type[BaseModel] | None = ClusterPolicy
    for key in location:
        if model is not None and isinstance(key, str):
            model = _models(model).get(key)
    if model is not None:
        yield from (str(field.alias) for field in model.model_fields.values())


def all_fields(
    model: type[BaseModel] = ClusterPolicy, path: str = ""
) -> Iterator[tuple[str, str, FieldInfo]]:
    """Each field: path of the mapping that it belongs to, its name, what is declared of it."""
    inner = _models(model)
    for field in model.model_fields.values():
        name = str(field.alias)
        yield path, name, field
        if name in inner:
            mark = "[]" if "tuple" in str(field.annotation) else ""
            yield from all_fields(inner[name], f"{path}.{name}{mark}".lstrip("."))


def _models(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Model of each field that holds one, or a list of them."""
    found = {}
    for field in model.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found[str(field.alias)] = kind
    return found
