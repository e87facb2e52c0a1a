"""The doctor at a shell: a table, JSON, and an exit status to act on."""

import pytest

from airflow_transition.core.doctor import Check, Report
from tests.unit.cli.conftest import Run
from tests.unit.operators.doctor_world import Outside, lay
from tests.unit.operators.world import World

POLICY = "clusterpolicy-sample"

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def out(world: World, monkeypatch: pytest.MonkeyPatch) -> Outside:
    return lay(monkeypatch, world)


def test_all_well_is_0_and_a_line_for_each_check(run: Run, out: Outside) -> None:
    said = run("doctor")
    assert said.status == 0
    header, *lines = said.out.splitlines()
    assert header.split() == ["STATUS", "SUBJECT", "CHECK", "FOUND"]
    assert len([line for line in lines if line.startswith("ok  ")]) > 20
    assert lines[-1].endswith(" ok")


def test_a_failed_check_is_1_and_its_cure_is_told(run: Run, out: Outside, world: World) -> None:
    world.away.add("registry")
    said = run("doctor", POLICY)
    assert said.status == 1
    assert "failed: registry: registry: wait" in said.out


def test_a_warning_is_0_unless_it_is_strict(run: Run, out: Outside) -> None:
    out.deletes = False
    assert run("doctor", POLICY).status == 0
    assert run("doctor", POLICY, "--strict").status == 1


def test_json_is_the_report(run: Run, out: Outside) -> None:
    report = Report.model_validate_json(run("doctor", "--json").out)
    assert Check.REGISTRY in {finding.check for finding in report.findings}


def test_a_policy_that_is_not_there_is_2(run: Run, out: Outside) -> None:
    assert run("doctor", "nope").status == 2
