"""docs/reference/policy.md says of every field what the model says."""

import re
from pathlib import Path

import yaml
from pydantic.fields import FieldInfo

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_messages import all_fields

REFERENCE = (Path(__file__).parents[3] / "docs" / "reference" / "policy.md").read_text()
ROW = re.compile(r"^\| `(?P<field>[^`]+)` \| `?(?P<default>[^`|]+?)`? \|", re.MULTILINE)


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return str(field.default) if isinstance(field.default, int | str) else "none"


def test_the_reference_has_every_field_with_its_default() -> None:
    documented = {row["field"]: row["default"] for row in ROW.finditer(REFERENCE)}
    declared = {
        f"{path}.{name}".lstrip("."): default_of(field) for path, name, field in all_fields()
    }
    assert documented == declared


def test_the_example_of_the_reference_is_a_policy() -> None:
    example = REFERENCE.partition("```yaml\n")[2].partition("```")[0]
    assert ClusterPolicy.of_document(yaml.safe_load(example)).spec.time_zone == "Asia/Seoul"
