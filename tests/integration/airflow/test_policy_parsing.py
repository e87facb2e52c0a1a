"""Policy files become DAGs and import errors in a running Airflow."""

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lab.airflow import AirflowInstance, free_port

ROOT = Path(__file__).parents[3]
GUIDE_POLICY = ROOT / "tests" / "unit" / "core" / "guide-policy.yaml"
BUNDLE = (
    '[{"name": "policies", "classpath": "airflow_transition.policy_bundle.PolicyDagBundle",'
    ' "kwargs": {}}]'
)
PARSING = ("api-server", "dag-processor")
GUIDE_DAGS = {
    "checkpoint.clusterpolicy-sample.video.my-test-backup",
    "migrate.clusterpolicy-sample",
    "failover.clusterpolicy-sample",
    "failback.clusterpolicy-sample",
    "retention.clusterpolicy-sample",
}


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    shutil.copy(GUIDE_POLICY, folder / "guide.yaml")
    return folder


@pytest.fixture(params=["folder", "bundle"])
def airflow(
    request: pytest.FixtureRequest, tmp_path: Path, policies: Path
) -> Iterator[AirflowInstance]:
    settings = {("core", "lazy_load_plugins"): "True"}
    if request.param == "bundle":
        settings["dag_processor", "dag_bundle_config_list"] = BUNDLE
    instance = AirflowInstance(
        tmp_path / "airflow",
        dags_folder=ROOT / "dags",
        policies_folder=policies,
        connections={},
        port=free_port(),
        components=PARSING,
        settings=settings,
    )
    with instance:
        yield instance


def dag_ids(airflow: AirflowInstance) -> set[str]:
    return {dag["dag_id"] for dag in airflow.rest("GET", "dags")["dags"]}


def wait(condition: Callable[[], bool], *, timeout: timedelta = timedelta(minutes=1)) -> None:
    deadline = time.monotonic() + timeout.total_seconds()
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_broken_policy_shows_its_line_and_takes_no_other_away(
    airflow: AirflowInstance, policies: Path
) -> None:
    wait(lambda: dag_ids(airflow) == GUIDE_DAGS)
    assert airflow.import_errors() == []

    text = GUIDE_POLICY.read_text().replace("clusterpolicy-sample", "second")
    broken = policies / "second.yaml"
    broken.write_text(text.replace("weight: 100", "wieght: 100"))
    same_name = policies / "third.yaml"
    shutil.copy(GUIDE_POLICY, same_name)
    misspelt = (
        f"{broken}:24: spec.targetClusterPolicy.preferClusters.0.wieght: "
        'unknown field; did you mean "weight"?'
    )
    taken = f'{same_name}:4: metadata.name: "clusterpolicy-sample" is already the name'
    wait(lambda: all(error in "\n".join(airflow.import_errors()) for error in (misspelt, taken)))
    assert dag_ids(airflow) == GUIDE_DAGS

    broken.write_text(text)
    same_name.unlink()
    wait(lambda: airflow.import_errors() == [])
    wait(lambda: dag_ids(airflow) >= {*GUIDE_DAGS, "migrate.second"})
