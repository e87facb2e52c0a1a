"""Errors of policy files as SARIF 2.1.0, which code forges show beside the changed line."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow_transition.core.policy_document import Problem

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_RULE = "policy"


def sarif(problems: Iterable[Problem], *, root: Path, version: str) -> dict[str, Any]:
    """One run of the linter; files below `root` are named relative to it."""
    rule = {
        "id": _RULE,
        "shortDescription": {"text": "A policy file must be valid as a whole"},
        "defaultConfiguration": {"level": "error"},
    }
    driver = {"name": "airflow transition lint", "version": version, "rules": [rule]}
    results = [_result(problem, root=root) for problem in problems]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(problem: Problem, *, root: Path) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": _uri(Path(problem.path), root=root)},
        "region": {"startLine": problem.line},
    }
    return {
        "ruleId": _RULE,
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": problem.text},
        "locations": [{"physicalLocation": place}],
    }


def _uri(path: Path, *, root: Path) -> str:
    absolute = root / path
    if absolute.is_relative_to(root):
        return quote(absolute.relative_to(root).as_posix())
    return absolute.as_uri()
