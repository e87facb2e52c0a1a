"""The reference lists every setting and every metric, by the name that a user meets."""

from pathlib import Path

import pytest
from transition_agent.metrics import AgentMetrics
from transition_agent.settings import AgentSettings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "agent.md"
VARIABLES = [
    str(choice)
    for described in AgentSettings.model_fields.values()
    for choice in described.validation_alias.choices  # type: ignore[union-attr]  # all have some
]


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_setting_is_in_the_reference(variable: str) -> None:
    assert f"`{variable}`" in REFERENCE.read_text()


@pytest.mark.parametrize("metric", [each.name for each in AgentMetrics().registry.collect()])
def test_every_metric_is_in_the_reference(metric: str) -> None:
    assert f"`{metric}" in REFERENCE.read_text()
