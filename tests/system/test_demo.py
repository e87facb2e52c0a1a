"""`make demo-once` does what it says: looked at from outside, past the demo's own word for it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
import requests

from lab import lifecycle, video
from lab.airflow import end_leftovers
from lab.description import LabDescription, LabSettings
from tests.own_lab import ROOT, settings_for
from tests.system.ground import SOURCE, TARGET, Ground, wait_until

_DEMO_SECONDS = 600
"""It waits for a cron of three minutes; the rest takes two on a machine with nothing else to do."""


@dataclass(frozen=True)
class Demo:
    """The demo's own process, stopped when it has written its report and nothing is down yet."""

    process: subprocess.Popen[str]
    settings: LabSettings
    report: dict[str, Any]
    ground: Ground


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    settings = settings_for("demo")
    file = tmp_path / "report.json"
    process = start(settings, "--once", "--report", file)
    try:
        wait_until(
            lambda: file.exists() or process.poll() is not None,
            what="the demo writes its report",
            seconds=_DEMO_SECONDS,
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


def start(
    settings: LabSettings, *arguments: str | Path, stdout: IO[str] | None = None
) -> subprocess.Popen[str]:
    chosen = settings.model_dump(mode="json", include={"name", "subnet", "state"})
    return subprocess.Popen(
        [sys.executable, "-m", "lab.demo", *arguments],
        env={**os.environ, **{f"LAB_{key.upper()}": text for key, text in chosen.items()}},
        cwd=ROOT,
        start_new_session=True,
        stdout=stdout,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    """However the test went: the demo gets the time to end by itself, and no more."""
    process.send_signal(signal.SIGCONT)
    try:
        process.wait(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.mark.timeout(_DEMO_SECONDS + 200)
def test_the_demo_moves_a_process_and_leaves_nothing_behind(demo: Demo) -> None:
    assert_moved(demo)
    assert_restorable(demo)
    demo.process.send_signal(signal.SIGCONT)
    assert demo.process.wait(timeout=120) == 0
    assert lifecycle.remains(demo.settings) == []
    assert processes_about(demo.settings) == []


def test_ctrl_c_takes_everything_down(tmp_path: Path) -> None:
    settings, said = settings_for("demo"), tmp_path / "said"
    with said.open("w") as out:
        process = start(settings, stdout=out)
    try:
        wait_until(
            lambda: "starting Airflow's components" in said.read_text(),
            what="the lab is up, and Airflow about to be",
            seconds=120,
            pause=0.1,
        )
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=120) == 0, said.read_text()
        assert lifecycle.remains(settings) == []
        assert processes_about(settings) == []
    finally:
        end(process)
        end_leftovers(settings.state / "airflow")
        lifecycle.down(settings)


def assert_moved(demo: Demo) -> None:
    """The same process, by what only its memory knows, and one of it."""
    before, after, client = (demo.report[part] for part in ("before", "after", "client"))
    now = demo.ground.state(TARGET)
    assert before["id"] == after["id"] == now["id"] == client["id"]
    assert before["counter"] < client["first_counter"] < client["last_counter"] < now["counter"]
    assert before["position"] <= after["position"] <= now["position"]
    assert client["problems"] == []
    assert [(each["source"], each["target"]) for each in client["switches"]] == [(SOURCE, TARGET)]

    with pytest.raises(requests.ConnectionError):
        demo.ground.state(SOURCE)
    assert demo.ground.client(SOURCE).pods() == []
    assert [len(demo.ground.containers(cluster)) for cluster in (SOURCE, TARGET)] == [0, 1]
    assert demo.ground.door(TARGET) == []
    assert "replicas: 0" in demo.ground.repository(SOURCE).show()


def assert_restorable(demo: Demo) -> None:
    """What the demo points to is there: commit, image, restore points."""
    target, image = demo.ground.repository(TARGET), demo.report["images"][video.CONTAINER]
    assert target.head == demo.report["commit"]
    assert f"image: {image}" in target.show()
    content = manifest(demo.ground.lab, image=image)
    assert image.endswith(hashlib.sha256(content).hexdigest())

    points = {
        key.removesuffix(".json"): demo.ground.read_object(key)
        for key in demo.ground.objects()
        if key.startswith("restore-points/")
    }
    assert demo.report["restore_point"] in points
    assert len(points) > 1, "the schedule recorded one before the move"
    assert all(point["verified"] for point in points.values())
    (container,) = points[demo.report["restore_point"]]["containers"]
    assert container["image"] == image


def manifest(lab: LabDescription, *, image: str) -> bytes:
    """As the registry gives it to a node."""
    repository, _, digest = image.removeprefix(f"{lab.registry.address}/").partition("@")
    answer = requests.get(
        f"{lab.registry.url}/v2/{repository}/manifests/{digest}",
        auth=(lab.registry.username, lab.registry.password),
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
        verify=str(lab.ca_file),
        timeout=10,
    )
    answer.raise_for_status()
    return answer.content


def processes_about(settings: LabSettings) -> list[str]:
    """Processes that have the lab's folder in their command line or environment."""
    mark = str(settings.state).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                known = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:  # it has ended
                continue
            if mark in known:
                found.append(entry.name)
    return found
