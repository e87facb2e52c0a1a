"""`make demo-failover-once` does what it says: looked at from outside, past the demo's own word."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from lab import lifecycle
from lab.airflow import end_leftovers
from lab.description import LabDescription
from tests.own_lab import ROOT, settings_for
from tests.system.ground import SOURCE, TARGET, Ground, wait_until
from tests.system.test_demo import Demo, end, processes_about

_DEMO_SECONDS = 600


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """Stopped when it has written its report and nothing is down yet."""
    settings = settings_for("demo-failover")
    file = tmp_path / "report.json"
    chosen = settings.model_dump(mode="json", include={"name", "subnet", "state"})
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.demo_failover", "--once", "--report", file],
        env={**os.environ, **{f"LAB_{key.upper()}": text for key, text in chosen.items()}},
        cwd=ROOT,
        start_new_session=True,
        text=True,
    )
    try:
        wait_until(
            lambda: file.exists() or process.poll() is not None,
            what="the demo writes its report",
            seconds=_DEMO_SECONDS,
            pause=0.05,
        )
        assert file.exists(), f"the demo ended with {process.returncode} and no report"
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: file.stat().st_size, what="the report is whole")
        yield Demo(
            process=process,
            settings=settings,
            report=json.loads(file.read_text()),
            ground=Ground(LabDescription.load(settings.description_file)),
        )
    finally:
        end(process)
        end_leftovers(settings.state / "airflow")
        lifecycle.down(settings)


@pytest.mark.timeout(_DEMO_SECONDS + 200)
def test_a_killed_clusters_process_goes_on_elsewhere_and_comes_home(demo: Demo) -> None:
    assert_one_process(demo)
    assert_back_home(demo)
    assert_recorded(demo)
    demo.process.send_signal(signal.SIGCONT)
    assert demo.process.wait(timeout=120) == 0
    assert lifecycle.remains(demo.settings) == []
    assert processes_about(demo.settings) == []


def assert_one_process(demo: Demo) -> None:
    """By what only its memory knows; the state went back once, to the restore point."""
    before, restored, after, client = (
        demo.report[part] for part in ("before", "restored", "after", "client")
    )
    assert before["id"] == restored["id"] == after["id"] == demo.ground.state(SOURCE)["id"]
    assert client["problems"] == []
    first, second = client["switches"]
    assert (first["change"], first["source"], first["target"]) == ("failover", SOURCE, TARGET)
    assert (second["change"], second["source"], second["target"]) == ("move", TARGET, SOURCE)
    assert second["counter_after"] > second["counter_before"]
    assert demo.report["containers_after_return"] == []


def assert_back_home(demo: Demo) -> None:
    with pytest.raises(requests.ConnectionError):
        demo.ground.state(TARGET)
    assert [len(demo.ground.containers(cluster)) for cluster in (SOURCE, TARGET)] == [1, 0]
    assert "replicas: 1" in demo.ground.repository(SOURCE).show()
    assert "replicas: 0" in demo.ground.repository(TARGET).show()
    assert demo.ground.door(SOURCE) == []


def assert_recorded(demo: Demo) -> None:
    """Decision and evidence can be read afterwards, and are what Git says."""
    claim, report = demo.report["claim"], demo.report
    kept = demo.ground.read_object(f"transitions/{claim}.json")
    assert kept["plan"]["cluster"] == SOURCE
    assert kept["plan"]["target"] == TARGET
    assert kept["promoted"]["commit"] == report["story"]["promoted"]["commit"]
    assert kept["ended"]["outcome"] == "restored"
    assert len(demo.ground.repository(TARGET).moves(claim)) == 1, "one promotion"
    (package,) = kept["plan"]["packages"]
    assert package["restore_point"] == report["restore_point"]
    assert demo.ground.read_object(f"{report['restore_point']}.json")["verified"]
    assert sum(report["phases"].values()) == pytest.approx(report["rto_seconds"], abs=0.1)
