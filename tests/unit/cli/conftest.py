"""`airflow transition ...` as Airflow parses and calls it, in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from airflow.cli.cli_parser import get_parser

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import load_policy
from tests.unit.operators.conftest import GUIDE_POLICY, put_outside
from tests.unit.operators.world import World


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def asked(*arguments: str) -> Said:
        args = get_parser().parse_args(["transition", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            args.func(args)
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return asked


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The policies folder, with the guide's policy in it."""
    (tmp_path / "guide.yaml").write_text(GUIDE_POLICY.read_text())
    monkeypatch.setenv("AIRFLOW__TRANSITION__POLICIES_FOLDER", str(tmp_path))
    return tmp_path


@pytest.fixture
def policy() -> ClusterPolicy:
    return load_policy(GUIDE_POLICY)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")  # what commands set is taken back
    made = World.create()
    put_outside(monkeypatch, made)
    return made
