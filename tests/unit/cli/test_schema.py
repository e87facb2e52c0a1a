"""The schema that editors read."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from airflow_transition.core.policy_files import find_policies
from airflow_transition.core.policy_messages import all_fields
from airflow_transition.core.policy_schema import policy_schema
from tests.unit.cli.conftest import Run
from tests.unit.operators.conftest import GUIDE_POLICY

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "docs" / "reference" / "clusterpolicy.schema.json"
EXAMPLES = sorted((ROOT / "dags" / "policies").rglob("*.yaml"))
MODELINE = re.compile(r"^# yaml-language-server: \$schema=(\S+)$", re.MULTILINE)


def test_the_committed_schema_is_up_to_date(run: Run) -> None:
    """Else: airflow transition export-schema > docs/reference/clusterpolicy.schema.json."""
    assert run("export-schema").out == COMMITTED.read_text()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(policy_schema())


@pytest.mark.parametrize("file", [GUIDE_POLICY, *EXAMPLES], ids=lambda file: file.name)
def test_policies_are_valid_by_the_schema(file: Path) -> None:
    jsonschema.validate(yaml.safe_load(file.read_text()), policy_schema())


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("spec", "selectMode"), "Some"),
        (("spec", "clusterSelector", "repo"), 5),
        (("spec", "unknown"), "field"),
        (("spec", "failover"), {"grace_period_seconds": 5}),
    ],
)
def test_what_the_linter_refuses_the_schema_refuses(place: tuple[str, ...], wrong: Any) -> None:
    document = yaml.safe_load(GUIDE_POLICY.read_text())
    inside = document
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, policy_schema())


def test_every_field_is_in_the_schema_by_the_name_of_the_document() -> None:
    parts = [policy_schema(), *policy_schema()["$defs"].values()]
    known = {name for part in parts for name in part["properties"]}
    assert known == {name for _, name, _ in all_fields()}


def test_fields_say_what_they_mean() -> None:
    failover = policy_schema()["$defs"]["Failover"]["properties"]
    assert failover["mode"]["description"].startswith("Automatic: by itself")
    assert failover["leaseSeconds"]["description"].endswith("Left out: no lease.")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_leads_editors_to_the_schema(file: Path) -> None:
    (named,) = MODELINE.findall(file.read_text())
    assert (file.parent / named).resolve() == COMMITTED


def test_the_examples_are_still_policies() -> None:
    assert find_policies(EXAMPLES[0].parent).errors == ()
