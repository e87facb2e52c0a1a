"""The page of metrics, the dashboard and the alerts name what exists, and all of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from sqlalchemy import create_engine

from airflow_transition.catalogue import tables
from airflow_transition.catalogue.metrics import catalogue_metrics
from airflow_transition.heartbeat.metrics import Metrics
from airflow_transition.heartbeat.promises import Promises
from airflow_transition.metrics import METRICS
from tests.unit.catalogue.fleet import NOW
from tests.unit.catalogue.offline import offline_ask

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "reference" / "metrics.md").read_text()
DASHBOARD = json.loads((DOCS / "monitoring" / "dashboard.json").read_text())
ALERTS = yaml.safe_load((DOCS / "monitoring" / "alerts.yaml").read_text())

_NAME = re.compile(r"\b(?:airflow_)?transition_[a-z_]+\b")
_LABEL_MATCHER = re.compile(r'"[^"]*"')


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the receiver serves: name to help text."""
    folder = tmp_path_factory.mktemp("metrics")
    engine = create_engine(f"sqlite:///{folder}/airflow.db")
    tables.metadata.create_all(engine)
    text = Metrics().render(healths=(), promises=Promises())
    text += catalogue_metrics(offline_ask(engine, now=NOW))
    engine.dispose()
    return dict(re.findall(r"^# HELP (\S+) (.*)$", text.decode(), flags=re.MULTILINE))


def test_every_metric_of_tasks_has_its_row() -> None:
    for metric in METRICS:
        tags = ", ".join(f"`{tag}`" for tag in metric.tags)
        row = f"| `{metric.name}` | {metric.kind}, {metric.unit} | {tags} | {metric.text} |"
        assert row in PAGE.splitlines()


def test_every_metric_of_the_receiver_has_its_row(served: dict[str, str]) -> None:
    ours = {name: text for name, text in served.items() if not name.endswith("_created")}
    assert len(ours) > 12
    for name, text in ours.items():
        assert any(
            line.startswith(f"| `{name}` |") and line.endswith(f"| {text} |")
            for line in PAGE.splitlines()
        ), f"{name}: {text}"


def test_dashboard_and_alerts_ask_for_metrics_that_exist(served: dict[str, str]) -> None:
    known = set(served)
    for metric in METRICS:
        known |= {metric.prometheus}
        if metric.kind == "timer":
            known |= {f"{metric.prometheus}_{end}" for end in ("bucket", "sum", "count")}
    known |= {f"{name}_{end}" for name in served for end in ("sum", "count", "bucket")}
    asked = {name for expression in _expressions() for name in _names(expression)}
    assert len(asked) > 15
    assert asked <= known, sorted(asked - known)


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    for rule in rules:
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + across, place["y"] + down)
            for across in range(place["w"])
            for down in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def _expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


def _names(expression: str) -> list[str]:
    return _NAME.findall(_LABEL_MATCHER.sub("", expression))
