"""A move at a shell, while it goes on."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from airflow_transition.cli import watch
from airflow_transition.cli.moves import Move, Step
from tests.unit.cli.conftest import Run

BEGAN = datetime(2026, 11, 24, 22, 15, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def move(state: str = "running", *steps: Step, seconds: float = 10) -> Move:
    over = state in {"success", "failed"}
    return Move("migrate.web", "manual", state, BEGAN, at(seconds) if over else None, steps)


PLAN = Step("plan", "success", at(0), at(2))
RUNNING = Step("image", "running", at(2), None)
WAITS = Step("promote", None, None, None)
FAILED = Step("image", "failed", at(2), at(9))


def screen(shown: Move, *, now: datetime) -> str:
    console = Console(file=StringIO(), width=100, force_terminal=False)
    console.print(watch.drawn(shown, now=now))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def test_each_step_is_a_line_with_its_time_and_a_bar() -> None:
    lines = screen(move("running", PLAN, RUNNING, WAITS), now=at(8)).splitlines()
    assert lines[0] == "migrate.web/manual: running, 8.0 s"
    assert lines[2].split()[1:4] == ["plan", "success", "2.0"]
    assert lines[3].split()[1:4] == ["image", "running", "6.0"]
    assert lines[3].count("█") == 18
    assert lines[4].split() == ["promote", "waits"]


def test_where_there_is_no_terminal_each_change_is_a_line() -> None:
    seen = iter(
        [
            move("running", PLAN, RUNNING),
            move("running", PLAN, RUNNING),
            move("failed", PLAN, FAILED),
        ]
    )
    pauses: list[float] = []
    console = Console(file=StringIO(), width=100, force_terminal=False)
    last = watch.follow(lambda: next(seen), console=console, pause=pauses.append)
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "plan: success (2.0 s)",
        "image: running",
        "image: failed (7.0 s)",
    ]
    assert last.state == "failed"
    assert len(pauses) == 2
    assert watch.ended(last) == "migrate.web/manual: failed; read the log of image"


def test_on_a_terminal_it_is_drawn_until_the_run_is_over() -> None:
    seen = iter([move("running", PLAN, RUNNING), move("success", PLAN)])
    console = Console(file=StringIO(), width=100, force_terminal=True)
    last = watch.follow(lambda: next(seen), console=console, pause=lambda _: None)
    assert last.is_over
    assert "migrate.web/manual: success" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_run_that_failed_is_a_no(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")
    monkeypatch.setattr(watch, "read_move", lambda *_, **__: move("failed", PLAN, FAILED))
    said = run("watch", "migrate.web/manual")
    assert said.status == 1
    assert said.out == "migrate.web/manual: failed; read the log of image\n"


def test_where_nothing_moved_yet_the_dags_are_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")
    monkeypatch.setattr(watch, "newest_move", lambda _: None)
    said = run("watch", "web")
    assert said.status == 2
    assert "no run of policy web yet" in said.err


def test_a_shell_completes_the_commands(tmp_path: Path) -> None:
    line = "airflow transition wat"
    answer = tmp_path / "answer"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    subprocess.run(
        [sys.executable, "-m", "airflow"],
        env=environment,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert answer.read_text().split("\v") == ["watch "]
