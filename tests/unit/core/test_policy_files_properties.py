"""Whatever a file holds, it is a policy or a list of errors with lines, and nothing worse."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_transition.core.policy_document import Problem
from airflow_transition.core.policy_files import PolicyFileError, load_policies

GUIDE = (Path(__file__).parent / "guide-policy.yaml").read_text()
UNHURRIED = settings(deadline=None)
"""A loaded machine is no reason to fail."""

SCALARS = st.sampled_from([None, True, 0, -1, 1.5, "", "video", "Stateful", "git", "*/3 * * * *"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policies") / "web.yaml"


def judged(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    last = content.replace(b"\r", b"\n").count(b"\n") + content.count(b"\xe2\x80\xa8") + 1
    for problem in problems_of(file):
        assert 1 <= problem.line <= last + 1
        assert problem.field
        assert problem.message
        assert "\n" not in str(problem)


def problems_of(file: Path) -> tuple[Problem, ...]:
    try:
        load_policies(file)
    except PolicyFileError as error:
        return error.problems
    return ()


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else ()
    below = enumerate(value) if isinstance(value, list) else below
    return [path] + [found for key, entry in below for found in places(entry, (*path, key))]


@UNHURRIED
@given(st.data())
def test_any_value_in_any_place_is_judged(file: Path, data: st.DataObject) -> None:
    document = yaml.safe_load(GUIDE)
    *way, last = data.draw(st.sampled_from(places(document)[1:]))
    inner = document
    for key in way:
        inner = inner[key]
    if data.draw(st.booleans()):
        inner[last] = data.draw(VALUES)
    elif isinstance(inner, dict):
        inner[data.draw(st.text(max_size=12))] = inner.pop(last)
    judged(file, yaml.safe_dump(document, allow_unicode=data.draw(st.booleans())).encode())


@UNHURRIED
@given(
    st.integers(0, len(GUIDE)), st.integers(0, 9), st.text("&*<:{}[]-?|>'\"!%@`#~, \t\n\rax\x00")
)
def test_any_damage_is_judged(file: Path, start: int, length: int, damage: str) -> None:
    judged(file, (GUIDE[:start] + damage + GUIDE[start + length :]).encode())


@UNHURRIED
@given(st.binary(max_size=60))
def test_any_bytes_are_judged(file: Path, content: bytes) -> None:
    judged(file, content)
