"""`airflow transition lint`: every error of every policy file, in a form for people or machines.

Nothing but the files is read: no connection, no database.
"""

import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from airflow_transition import __version__
from airflow_transition.cli import policies
from airflow_transition.cli.session import FAILED, Answer, command
from airflow_transition.core.policy_document import Problem
from airflow_transition.core.policy_files import policy_paths, read_policies
from airflow_transition.core.policy_sarif import sarif


@command
def lint(args: Namespace) -> Answer:
    given = [Path(path) for path in args.paths] or [policies.folder()]
    found = read_policies(file for path in given for file in _files(path))
    problems = [problem for error in found.errors for problem in error.problems]
    return Answer(_FORMS[args.format](problems), FAILED if problems else 0)


def _files(path: Path) -> list[Path]:
    """A folder's policy files; a file is read whatever its name is."""
    return policy_paths(path) if path.is_dir() else [path]


def _text(problems: Sequence[Problem]) -> str:
    if not problems:
        return "no error"
    return "\n".join([*map(str, problems), f"{len(problems)} error{'s' * (len(problems) > 1)}"])


def _json(problems: Sequence[Problem]) -> str:
    return json.dumps([asdict(problem) for problem in problems], indent=2)


def _sarif(problems: Sequence[Problem]) -> str:
    return json.dumps(sarif(problems, root=Path.cwd(), version=__version__), indent=2)


_FORMS: dict[str, Callable[[Sequence[Problem]], str]] = {
    "text": _text,
    "json": _json,
    "sarif": _sarif,
}
