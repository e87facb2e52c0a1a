"""From a folder of policy files to what Airflow parses."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from airflow_transition.core.policy_files import find_policies
from airflow_transition.policy_bundle import PolicyDagBundle, write_stubs
from airflow_transition.policy_dags import (
    BrokenPoliciesError,
    dags_in,
    policy_name_of,
    refuse_broken,
)

GUIDE_POLICY = Path(__file__).parents[1] / "core" / "guide-policy.yaml"
IDS = {
    "checkpoint.clusterpolicy-sample.video.my-test-backup",
    "migrate.clusterpolicy-sample",
    "failover.clusterpolicy-sample",
    "failback.clusterpolicy-sample",
    "retention.clusterpolicy-sample",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "policies"
    made.mkdir()
    shutil.copy(GUIDE_POLICY, made / "guide.yaml")
    (made / "broken.yaml").write_text(GUIDE_POLICY.read_text().replace("weight:", "wieght:"))
    return made


@pytest.fixture
def parsing_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "migrate.clusterpolicy-sample")
    return


def second(folder: Path) -> Path:
    path = folder / "second.yaml"
    path.write_text(GUIDE_POLICY.read_text().replace("clusterpolicy-sample", "second"))
    return path


def test_a_broken_file_takes_no_other_away(folder: Path) -> None:
    assert dags_in(folder).keys() == IDS


def test_every_error_is_raised_with_its_line(folder: Path) -> None:
    with pytest.raises(BrokenPoliciesError) as raised:
        refuse_broken(folder)
    assert f"{folder / 'broken.yaml'}:24: " in str(raised.value)
    assert 'did you mean "weight"?' in str(raised.value)


@pytest.mark.usefixtures("parsing_for")
def test_a_task_builds_its_own_dag_and_is_not_disturbed_by_errors(folder: Path) -> None:
    refuse_broken(folder)
    assert dags_in(folder).keys() == {"migrate.clusterpolicy-sample"}


@pytest.mark.usefixtures("parsing_for")
def test_a_task_reads_no_policy_but_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second(folder)
    read: list[Path] = []
    original = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, *a, **k: read.append(path) or original(path)
    )
    assert dags_in(folder).keys() == {"migrate.clusterpolicy-sample"}
    assert folder / "second.yaml" not in read


@pytest.mark.parametrize(
    ("dag_id", "policy"),
    [
        ("migrate.web", "web"),
        ("migrate.web.eu.prod", "web.eu.prod"),
        ("failover.web.eu", "web.eu"),
        ("failback.web.eu", "web.eu"),
        ("checkpoint.web.eu.prod.shop.nightly", "web.eu.prod"),
        ("checkpoint.web.eu.prod._found.nightly", "web.eu.prod"),
    ],
)
def test_a_dag_id_names_its_policy(dag_id: str, policy: str) -> None:
    assert policy_name_of(dag_id) == policy


def stubs(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.py")}


def test_each_policy_is_a_stub_and_each_broken_file_an_error(folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "stubs"
    write_stubs(bundle, files=find_policies(folder))
    bag = DagBag(bundle)
    assert set(bag.dag_ids) == IDS
    (error,) = bag.import_errors.values()
    assert f"{folder / 'broken.yaml'}:24: " in error


def test_only_a_changed_policy_is_written_again(folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "stubs"
    changed = second(folder)
    write_stubs(bundle, files=find_policies(folder))
    before = stubs(bundle)
    changed.write_text(changed.read_text().replace("*/3 * * * *", "*/5 * * * *"))
    write_stubs(bundle, files=find_policies(folder))
    after = stubs(bundle)
    assert {name for name in before if before[name] != after[name]} == {"policy_second.py"}


def test_a_removed_policy_takes_its_stub_away(folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "stubs"
    path = second(folder)
    write_stubs(bundle, files=find_policies(folder))
    path.unlink()
    write_stubs(bundle, files=find_policies(folder))
    assert "policy_second.py" not in stubs(bundle)


def test_a_bundle_whose_policies_did_not_change_reads_none(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "bundles"))
    bundle = PolicyDagBundle(name="policies", policies_folder=str(folder))
    bundle.initialize()
    assert "policy_clusterpolicy-sample.py" in stubs(bundle.path)
    path = second(folder)
    bundle.refresh()
    assert "policy_second.py" in stubs(bundle.path)

    def never(_: Path) -> None:
        pytest.fail("read although nothing changed")

    monkeypatch.setattr("airflow_transition.policy_bundle.find_policies", never)
    PolicyDagBundle(name="policies", policies_folder=str(folder)).initialize()
    os.utime(path, ns=(1, 1))
    with pytest.raises(pytest.fail.Exception):
        bundle.refresh()


def test_policies_beside_the_dag_files_need_no_configuration(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a clone that Airflow's Git bundle makes."""
    monkeypatch.delenv("AIRFLOW__TRANSITION__POLICIES_FOLDER", raising=False)
    for name in ("transition_policies.py", "transition_policy_errors.py"):
        shutil.copy(Path(__file__).parents[3] / "dags" / name, tmp_path)
    bag = DagBag(tmp_path)
    assert set(bag.dag_ids) == IDS
    (error,) = bag.import_errors.values()
    assert f"{folder / 'broken.yaml'}:24: " in error
