"""What Airflow discovers of the provider."""

import importlib
import json
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from airflow_transition.get_provider_info import get_provider_info
from airflow_transition.plugins import transition_plugin
from airflow_transition.plugins.transition_plugin import TransitionPlugin


def test_the_provider_describes_itself_as_airflow_expects() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_every_module_and_class_that_is_named_exists() -> None:
    info = get_provider_info()
    named = [
        module
        for kind in ("operators", "sensors", "triggers", "hooks", "bundles")
        for group in info[kind]
        for module in group["python-modules"]
    ]
    named += [transfer["python-module"] for transfer in info["transfers"]]
    for module in named:
        importlib.import_module(module)
    for link in info["extra-links"]:
        module, _, name = link.rpartition(".")
        assert getattr(importlib.import_module(module), name)


def test_every_option_is_documented_with_its_default() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "configuration.md").read_text()
    for name, option in get_provider_info()["config"]["transition"]["options"].items():
        default = f"`{option['default']}`" if option["default"] else ""
        assert f"| `{name}` | {default}".rstrip() in page


@pytest.mark.parametrize("module", ["airflow_transition", "airflow_transition.get_provider_info"])
def test_discovery_imports_nothing_of_airflow(module: str) -> None:
    code = f"import sys, {module}; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_parsing_a_policy_imports_no_client_library() -> None:
    code = (
        "import sys, airflow_transition.policy_dags;"
        "sys.exit(', '.join({'boto3', 'kubernetes', 'git', 'requests'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_plugin_is_found_by_its_entry_point() -> None:
    (point,) = (
        point for point in entry_points(group="airflow.plugins") if point.name == "transition"
    )
    assert point.load() is TransitionPlugin


def test_the_plugin_has_no_listener() -> None:
    """One listener would make every DAG that uses `end_from_trigger` fail to import."""
    assert not TransitionPlugin.listeners


@pytest.mark.parametrize(
    ("arguments", "wanted", "loads"),
    [
        (["airflow", "scheduler"], "True", True),
        (["airflow", "scheduler"], "False", False),
        (["airflow", "api-server"], "True", False),
    ],
)
def test_only_a_scheduler_that_was_asked_to_preloads(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], wanted: str, *, loads: bool
) -> None:
    loaded: list[bool] = []
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setenv("AIRFLOW__TRANSITION__PRELOAD", wanted)
    monkeypatch.setattr(transition_plugin, "preload", lambda: loaded.append(True))
    TransitionPlugin.on_load()
    assert bool(loaded) is loads


def test_a_module_that_does_not_import_does_not_stop_the_scheduler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(transition_plugin, "_NEEDED_BY_TASKS", ("airflow_transition.no_such",))
    transition_plugin.preload()
    assert "not preloaded: airflow_transition.no_such" in caplog.text
