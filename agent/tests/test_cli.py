"""The command line says what is wrong, and prints what it measures."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from transition_agent import __version__
from transition_agent.cli import main
from transition_wire.node_facts import NodeFacts


@pytest.fixture
def run() -> Callable[..., Result]:
    environment = {"CLUSTER_NAME": "cluster1-azure", "NODE_NAME": "node-1"}

    def run(*arguments: str, **changes: str) -> Result:
        return CliRunner().invoke(main, arguments, env={**environment, **changes})

    return run


def test_the_version_is_told(run: Callable[..., Result]) -> None:
    assert __version__ in run("--version").output


@pytest.mark.parametrize("command", ["run", "facts"])
def test_a_wrong_setting_ends_with_its_name_and_without_a_traceback(
    run: Callable[..., Result], command: str
) -> None:
    result = run(command, CLUSTER_NAME="Not A Name")
    assert result.exit_code == 1
    assert result.output.startswith("Error: environment: CLUSTER_NAME: ")


def test_facts_are_printed_as_json(run: Callable[..., Result]) -> None:
    facts = NodeFacts.model_validate_json(run("facts").stdout)
    assert (facts.cluster, facts.node) == ("cluster1-azure", "node-1")


def test_facts_are_written_for_the_agent_to_read(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "facts.json"
    assert run("facts", "--output", str(file)).exit_code == 0
    assert NodeFacts.model_validate_json(file.read_bytes()).node == "node-1"
    assert list(tmp_path.iterdir()) == [file]
