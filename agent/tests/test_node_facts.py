"""Facts are measured on the node, or honestly missing."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from transition_agent.errors import AgentError
from transition_agent.node_facts import cpu_of, measure, read_or_measure, version_in

NOW = datetime(2026, 11, 23, 3, 4, 47, tzinfo=UTC)


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("Version: 4.2.1\nGitID: v4.2.1\n", "4.2.1"),
        ("runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\n", "1.1.5+ds1"),
        ("containerd github.com/containerd/containerd/v2 v2.3.4 abcdef12", "2.3.4"),
        ("containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da", "1.7.27"),
        ("crio version 1.31.0\nVersion: 1.31.0\n", "1.31.0"),
        ("podman version 4.3.1\n", "4.3.1"),
        ("Segmentation fault", None),
    ],
)
def test_versions_are_read_from_what_programs_print(printed: str, version: str | None) -> None:
    assert version_in(printed) == version


def test_the_processor_is_read_on_both_architectures() -> None:
    intel = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: sse2 avx2\n\nprocessor\t: 1\n"
    arm = "processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xd0c\n"
    assert cpu_of(intel) == ("AMD EPYC", ("avx2", "sse2"))
    assert cpu_of(arm) == ("0xd0c", ("asimd", "fp"))


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_this_machine_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "criu", 'test "$1" = check && echo "Looks good." || echo "Version: 4.2.1"')
    _program(tmp_path, "runc", "echo broken; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    facts = measure(cluster="cluster1-azure", node="node-1", now=NOW)
    assert facts.kernel == os.uname().release
    assert facts.cpu_features
    assert facts.criu == "4.2.1"
    assert facts.criu_check is not None
    assert (facts.criu_check.passed, facts.criu_check.output) == (True, "Looks good.\n")
    assert facts.runc is None
    assert facts.crio is None


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="other processors have no XSAVE")
def test_the_extended_state_holds_at_least_what_every_x86_64_has() -> None:
    facts = measure(cluster="cluster1-azure", node="node-1", now=NOW)
    assert facts.xsave_size_bytes is None or facts.xsave_size_bytes >= 576


def test_a_failed_criu_check_is_kept_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path, "criu", 'echo "Error (criu/cr-check.c): no"; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    check = measure(cluster="cluster1-azure", node="node-1", now=NOW).criu_check
    assert check is not None
    assert not check.passed
    assert check.output.startswith("Error")


def test_facts_of_another_node_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    facts = measure(cluster="cluster1-azure", node="node-1", now=NOW)
    file.write_text(facts.model_dump_json())
    same = read_or_measure(file, cluster="cluster1-azure", node="node-1", now=NOW)
    assert same == facts
    with pytest.raises(AgentError, match="facts of cluster1-azure/node-1, not of"):
        read_or_measure(file, cluster="cluster1-azure", node="node-2", now=NOW)
