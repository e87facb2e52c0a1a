"""Every operator has an example, and the how-to quotes what is run."""

import re
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import BaseOperator

from airflow_transition.get_provider_info import get_provider_info

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "airflow_transition" / "example_dags"
QUOTES = re.compile(r"<!-- example: (?P<file>\S+) -->\n```python\n(?P<code>.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(EXAMPLES)


def operators() -> set[str]:
    """The operator classes of the package, by the modules that it names to Airflow."""
    info = get_provider_info()
    groups = [*info["operators"], *info["sensors"]]
    modules = [module for group in groups for module in group["python-modules"]]
    modules += [transfer["python-module"] for transfer in info["transfers"]]
    return {
        name
        for module in modules
        for name, found in vars(__import__(module, fromlist=["x"])).items()
        if isinstance(found, type)
        and issubclass(found, BaseOperator)
        and found.__module__ == module
    }


def test_every_example_is_read_without_error(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert len(bag.dags) == len(list(EXAMPLES.glob("example_*.py")))


def test_every_operator_has_an_example(bag: DagBag) -> None:
    used = {type(task).__name__ for dag in bag.dags.values() for task in dag.tasks}
    assert operators() - used == set()


def test_the_how_to_quotes_the_examples_word_by_word() -> None:
    text = (ROOT / "docs" / "how-to" / "use-the-operators.md").read_text()
    quotes = list(QUOTES.finditer(text))
    assert len(quotes) == text.count("```python")
    for quote in quotes:
        assert quote["code"] in (ROOT / quote["file"]).read_text()
