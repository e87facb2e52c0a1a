"""The JSON Schema of a policy, for editors: fields, kinds of values, and what each field means.

Rules that span several fields, cron expressions and time zones are beyond a schema; `lint` checks
them too.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel

from airflow_transition.core.policy import API_VERSION, KIND, ClusterPolicy

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one policy document as it is written."""
    schema = ClusterPolicy.model_json_schema(by_alias=True)
    meanings = {model.__name__: dict(_meanings(model)) for model in _models(ClusterPolicy)}
    for name, part in schema["$defs"].items():
        _complete(part, meanings=meanings[name])
    _complete(schema, meanings=meanings[ClusterPolicy.__name__])
    return {"$schema": _DIALECT, "title": f"{KIND} {API_VERSION}", **schema}


def _complete(part: dict[str, Any], *, meanings: dict[str, str]) -> None:
    """Say what fields mean; titles only repeat their names."""
    part.pop("title", None)
    for name, field in part["properties"].items():
        field.pop("title", None)
        if name in meanings:
            field["description"] = meanings[name]


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and all that it is made of."""
    yield model
    for field in model.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _models(kind)


def _meanings(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Each field that has a docstring below it, by its name in a document."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    lines = body.body if isinstance(body, ast.ClassDef) else []
    for declared, below in pairwise(lines):
        if not isinstance(declared, ast.AnnAssign) or not isinstance(declared.target, ast.Name):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            alias = str(model.model_fields[declared.target.id].alias)
            meaning = inspect.cleandoc(str(below.value.value)).replace("\n", " ")
            yield alias, meaning.replace("None:", "Left out:")
