"""What a linter has to say, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.operators.conftest import GUIDE_POLICY

BROKEN = (
    GUIDE_POLICY.read_text().replace("weight:", "wieght:").replace("Mode: Specific", "Mode: Some")
)


def test_a_valid_folder_is_no_error(run: Run, folder: Path) -> None:
    said = run("lint")
    assert (said.status, said.out) == (0, "no error\n")


def test_all_errors_of_all_files_come_at_once_with_file_and_line(run: Run, folder: Path) -> None:
    (folder / "one.yaml").write_text(BROKEN.replace("clusterpolicy-sample", "one"))
    (folder / "two.yaml").write_text(GUIDE_POLICY.read_text())
    said = run("lint", str(folder))
    assert said.status == 1
    lines = said.out.splitlines()
    assert any(line.endswith('wieght: unknown field; did you mean "weight"?') for line in lines)
    assert any("one.yaml:10: spec.selectMode:" in line for line in lines)
    assert any("two.yaml" in line and "already the name" in line for line in lines)
    assert lines[-1] == "3 errors"


def test_a_name_that_two_given_files_share_is_an_error(run: Run, tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GUIDE_POLICY.read_text())
    assert run("lint", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")).status == 1


def test_a_path_that_is_not_there_is_an_error(run: Run, tmp_path: Path) -> None:
    said = run("lint", str(tmp_path / "none.yaml"))
    assert said.status == 1
    assert "none.yaml:1: file: cannot be read" in said.out


def test_json_has_a_field_for_each_part(run: Run, folder: Path) -> None:
    (folder / "guide.yaml").write_text(BROKEN)
    found = json.loads(run("lint", "--format", "json").out)
    assert {tuple(each) for each in found} == {("path", "line", "field", "message")}
    assert {"spec.selectMode"} < {each["field"] for each in found}


def test_sarif_names_files_relative_to_where_one_stands(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "gu ide.yaml").write_text(BROKEN)
    monkeypatch.chdir(folder)
    report = json.loads(run("lint", "--format", "sarif", "gu ide.yaml", "/no.yaml").out)
    assert report["version"] == "2.1.0"
    (made,) = report["runs"]
    assert made["tool"]["driver"]["rules"][0]["id"] == made["results"][0]["ruleId"]
    places = [one["locations"][0]["physicalLocation"] for one in made["results"]]
    uris = {place["artifactLocation"]["uri"] for place in places}
    assert uris == {"gu%20ide.yaml", "file:///no.yaml"}
    assert {place["region"]["startLine"] for place in places} >= {1, 10}


def test_no_database_is_asked(tmp_path: Path, folder: Path) -> None:
    """`airflow` itself, with a database that cannot be opened."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "transition", "lint", str(folder)],
        env={
            "AIRFLOW_HOME": str(tmp_path / "home"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////nonexistent/airflow.db",
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "no error\n"), done.stderr
