import os
from pathlib import Path

import pytest

from lab import criu, machine, packages
from lab.description import LabSettings
from lab.errors import MachineError


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    return LabSettings(state=tmp_path / "state", cache=tmp_path / "cache")


def test_who_is_not_root_is_told_so_before_anything_changes(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MachineError, match="nothing was changed") as refused:
        machine.check(settings)
    assert "run it as root" in str(refused.value)
    assert not settings.state.exists()
    assert not settings.cache.exists()


def test_a_machine_without_a_way_to_criu_is_told_which_one_it_needs(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "mirror", lambda: None)
    monkeypatch.setattr(criu, "own", lambda: None)
    with pytest.raises(MachineError, match=r"install CRIU 4\.2"):
        machine.check(settings)


def test_everything_that_is_missing_is_named_at_once(
    settings: LabSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages, "mirror", lambda: None)
    monkeypatch.setattr(criu, "own", lambda: None)
    with pytest.raises(MachineError) as refused:
        machine.check(settings)
    assert str(refused.value).count("\n  - ") >= 2


@pytest.mark.parametrize(
    ("said", "version"),
    [("Version: 4.2.1\n", (4, 2, 1)), ("Version: 4.2\nGitID: 0\n", (4, 2)), ("what?", None)],
)
def test_the_version_of_criu_is_read_from_its_own_words(
    said: str, version: tuple[int, ...] | None, tmp_path: Path
) -> None:
    program = tmp_path / "criu"
    program.write_text(f"#!/bin/sh\nprintf '{said}'\n")
    program.chmod(0o755)
    assert criu.version_of(str(program)) == version
