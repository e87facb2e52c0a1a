"""One lab and one Airflow for all tests of this folder but the demo's, which makes its own."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import lifecycle
from lab.airflow import AirflowInstance, end_leftovers, free_port
from lab.client import Client
from lab.connections import connections_of
from lab.description import LabDescription
from lab.story import Story
from tests.own_lab import ROOT, settings_for
from tests.system.ground import SOURCE
from tests.system.stage import (
    CHECKPOINT_DAG,
    EXAMPLES,
    MIGRATE_DAG,
    RETENTION_DAG,
    Stage,
    write_policy,
)

_LOGS = ROOT / ".lab-tests" / "system-logs"
_FIGURES = pytest.StashKey[list[str]]()

_EXAMPLE_REPO = "https://git.example/cluster1-azure.git"


@pytest.fixture(scope="session")
def lab() -> Iterator[LabDescription]:
    settings = settings_for("system")
    end_leftovers(settings.state / "airflow")  # of a run that was killed
    try:
        yield lifecycle.up(settings, Story())
    finally:
        lifecycle.down(settings)


@pytest.fixture(scope="session")
def airflow(lab: LabDescription) -> Iterator[AirflowInstance]:
    policies = lab.state / "policies"
    write_policy(lab, folder=policies)
    examples = _examples(lab)
    instance = AirflowInstance(
        lab.state / "airflow",
        dags_folder=ROOT / "dags",
        policies_folder=policies,
        connections=connections_of(lab),
        port=free_port(),
        settings={("dag_processor", "dag_bundle_config_list"): json.dumps(_bundles(examples))},
    )
    with instance as airflow:
        for dag_id in (CHECKPOINT_DAG, MIGRATE_DAG, RETENTION_DAG, *EXAMPLES):
            airflow.wait_dag(dag_id)
            airflow.unpause(dag_id)
        yield airflow
    _keep_logs(lab)


def _examples(lab: LabDescription) -> Path:
    """The provider's examples, with the address of the lab's Git server."""
    folder = lab.state / "examples"
    folder.mkdir()
    for example in (ROOT / "airflow_transition" / "example_dags").glob("example_*.py"):
        text = example.read_text().replace(_EXAMPLE_REPO, lab.git.repositories[SOURCE])
        (folder / example.name).write_text(text)
    return folder


def _bundles(examples: Path) -> list[dict[str, object]]:
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    return [
        {"name": "dags-folder", "classpath": local, "kwargs": {}},
        {"name": "examples", "classpath": local, "kwargs": {"path": str(examples)}},
    ]


def _keep_logs(lab: LabDescription) -> None:
    """The lab takes its folder away, and a failure can hardly be understood without them."""
    shutil.rmtree(_LOGS, ignore_errors=True)
    shutil.copytree(lab.state / "logs", _LOGS / "lab")
    shutil.copytree(lab.state / "airflow" / "logs", _LOGS / "airflow", symlinks=True)


@pytest.fixture(scope="session")
def image(lab: LabDescription) -> str:
    """The sample application, by digest."""
    return Client(lab, cluster=SOURCE).video_image()


@pytest.fixture
def stage(lab: LabDescription, airflow: AirflowInstance, say: Callable[[str], None]) -> Stage:
    return Stage(lab=lab, airflow=airflow, say=say)


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes figures, which are shown at the end of the test run."""
    return pytestconfig.stash[_FIGURES].append


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Where the time of each run went."""
    terminalreporter.section("figures")
    for line in config.stash[_FIGURES]:
        terminalreporter.write_line(line)


@pytest.fixture
def deploy(stage: Stage, image: str, tmp_path: Path) -> Callable[[int], None]:
    """Deploy `video` anew with so many MiB of memory."""
    return lambda heap_mib: stage.deploy(image=image, scratch=tmp_path, heap_mib=heap_mib)
