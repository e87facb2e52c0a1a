"""The runtimes' own programs say whether a restore is switched on; what they do not say is None."""

from collections.abc import Callable
from pathlib import Path

import pytest
from transition_agent.restore_switch import containerd_restores, crio_restores

Program = Callable[[str, str, str], None]

CONTAINERD = """
version = 3
[plugins]
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = ''
  [plugins.'io.containerd.cri.v1.runtime']
    enable_cdi = true
    {switch}
"""
CRIO = """
[crio]
log_dir = "/var/log/crio/pods"
[crio.runtime]
{supported}
[crio.checkpoint_restore]
{level}
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name: str, arguments: str, printed: str) -> None:
        (tmp_path / "printed").write_text(printed)
        path = tmp_path / name
        path.write_text(
            f'#!/bin/sh\ntest "$*" = "{arguments}" || exit 2\n'
            f'while IFS= read -r line; do echo "$line"; done < {tmp_path}/printed\n'
        )
        path.chmod(0o755)

    return make


@pytest.mark.parametrize(
    ("switch", "found"),
    [
        ("enable_experimental_restore_via_create = true", True),
        ("enable_experimental_restore_via_create = false", False),
        ("", None),
        ("enable_experimental_restore_via_create = 'yes'", None),
    ],
)
def test_containerd_says_whether_it_is_switched_on(
    program: Program, switch: str, found: bool | None
) -> None:
    program("containerd", "config dump", CONTAINERD.format(switch=switch))
    assert containerd_restores() is found


@pytest.mark.parametrize(
    ("supported", "level", "found"),
    [
        ("enable_criu_support = true", 'container_level_enabled = "checkpoint_restore"', True),
        ("enable_criu_support = true", 'container_level_enabled = "checkpoint_only"', False),
        ("enable_criu_support = true", "", True),
        ("enable_criu_support = false", "", False),
        ("", "", None),
    ],
)
def test_crio_says_it_by_its_level_and_older_ones_by_their_support(
    program: Program, supported: str, level: str, found: bool | None
) -> None:
    program("crio", "status config", CRIO.format(supported=supported, level=level))
    assert crio_restores() is found


def test_a_runtime_that_is_not_there_or_prints_no_configuration_says_nothing(
    program: Program,
) -> None:
    assert containerd_restores() is None
    program("containerd", "config dump", "containerd: command not understood [")
    program("crio", "another", "")
    assert containerd_restores() is None
    assert crio_restores() is None
