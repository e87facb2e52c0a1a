"""The lab comes and goes whole: these tests make labs of their own, beside that of the others."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from lab import guard, lifecycle, network, processes
from lab.client import wait_for
from lab.description import LabDescription, LabSettings
from lab.story import Story

_HOLDER = """
import sys
from lab import guard
from lab.description import LabSettings
from lab.story import Story
with guard.lab(LabSettings(), Story()):
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LabSettings]:
    """Settings of a second lab; whatever the test does, nothing of it stays."""
    pid = os.getpid()
    settings = LabSettings(
        name=f"o{pid % 10000:04d}",
        subnet=IPv4Network(f"10.86.{pid % 250}.0/24"),
        state=tmp_path / "s",
    )
    monkeypatch.setenv("LAB_NAME", settings.name)
    monkeypatch.setenv("LAB_SUBNET", str(settings.subnet))
    monkeypatch.setenv("LAB_STATE", str(settings.state))
    yield settings
    lifecycle.down(settings)


def test_a_killed_holder_leaves_no_process_mount_namespace_or_interface(own: LabSettings) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert any(line == "holding\n" for line in holder.stdout)
    lab = LabDescription.load(own.description_file)
    assert _kinds(lifecycle.remains(own)) == {
        *("process", "mount", "namespace", "interface", "cgroup", "folder")
    }
    # The worst case: half of the lab's own processes are gone before it is taken down.
    for each in processes.inside(
        processes.namespace_of(file, kind="net") for file in network.namespaces(own)
    )[::2]:
        os.kill(each.pid, signal.SIGKILL)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    if holder.stdin:
        holder.stdin.close()
    wait_for(lambda: not lifecycle.remains(own), what="the guard takes the lab down")
    assert not [line for line in Path("/proc/mounts").read_text().splitlines() if lab.name in line]


def test_down_after_a_half_made_lab_and_without_one(own: LabSettings) -> None:
    lifecycle.down(own)
    network.create(own)
    assert _kinds(lifecycle.remains(own)) == {"namespace", "interface"}
    lifecycle.down(own)
    assert lifecycle.remains(own) == []


def test_up_begins_from_a_clean_state(own: LabSettings) -> None:
    network.create(own)
    own.state.mkdir()
    (own.state / "old").write_text("from an earlier lab")
    lines: list[str] = []
    with guard.lab(own, Story(write=lines.append)) as lab:
        assert not (own.state / "old").exists()
        assert own.description_file.stat().st_mode & 0o777 == 0o600
        secrets = [lab.s3.secret_key, lab.registry.password, lab.git.password]
        assert not [each for each in secrets if each in _command_lines()]
    assert lifecycle.remains(own) == []
    assert any("taking down what an earlier lab left" in line for line in lines)


def _kinds(found: list[str]) -> set[str]:
    return {line.split()[0] for line in found}


def _command_lines() -> str:
    found = []
    for each in processes.running():
        try:
            found.append(Path(f"/proc/{each.pid}/cmdline").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return "\n".join(found)
