"""The lab comes and goes whole: these tests make a second one beside that of the session."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import lifecycle, network, processes
from lab.description import LabDescription, LabSettings
from lab.errors import LabError
from lab.story import Story


@pytest.fixture
def own(settings_for: Callable[[str], LabSettings]) -> Iterator[LabSettings]:
    settings = settings_for("own")
    lifecycle.down(settings)
    yield settings
    lifecycle.down(settings)


def test_down_leaves_nothing_even_when_half_of_the_lab_was_killed(own: LabSettings) -> None:
    network.create(own)
    own.state.mkdir(parents=True)
    (own.state / "old").write_text("from an earlier lab")
    lines: list[str] = []
    lab = lifecycle.up(own, Story(write=lines.append))
    assert any("taking down what an earlier lab left" in line for line in lines)
    assert not (own.state / "old").exists()
    assert kinds(lifecycle.remains(own)) == {
        *("process", "mount", "namespace", "interface", "cgroup", "folder")
    }
    assert_secrets_are_private(lab, settings=own)
    running = processes.inside(
        processes.namespace_of(file, kind="net") for file in network.namespaces(own)
    )
    for each in running[::2]:
        os.kill(each.pid, signal.SIGKILL)
    lifecycle.down(own)
    assert lifecycle.remains(own) == []
    mounts = Path("/proc/mounts").read_text().splitlines()
    assert not [line for line in mounts if str(own.state) in line or f"/{own.name}-" in line]


def test_down_after_a_half_made_lab_and_without_one(own: LabSettings) -> None:
    lifecycle.down(own)
    network.create(own)
    assert kinds(lifecycle.remains(own)) == {"namespace", "interface"}
    lifecycle.down(own)
    assert lifecycle.remains(own) == []


def test_a_subnet_in_use_is_told_before_anything_is_made(
    lab: LabDescription, own: LabSettings
) -> None:
    taken = own.model_copy(update={"subnet": lab.subnet})
    with pytest.raises(LabError, match="set LAB_SUBNET"):
        network.create(taken)
    assert lifecycle.remains(own) == []


def assert_secrets_are_private(lab: LabDescription, *, settings: LabSettings) -> None:
    assert settings.description_file.stat().st_mode & 0o777 == 0o600
    tokens = [access.token for access in lab.clusters.values()]
    command_lines = "\n".join(map(command_line, processes.running()))
    for secret in (lab.s3.secret_key, lab.registry.password, lab.git.password, *tokens):
        assert secret not in command_lines


def command_line(process: processes.Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def kinds(found: list[str]) -> set[str]:
    return {line.split()[0] for line in found}
