"""A daemon is ours by its id and start time, and ends with everything that it started."""

import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lab.services.daemon import Daemon, daemons

PATIENCE_SECONDS = 10


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon("sleeper", state=tmp_path)
    yield daemon
    daemon.kill()


def eventually(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_one_object_started_another_finds_and_stops(daemon: Daemon, tmp_path: Path) -> None:
    pid = daemon.start(["sleep", "60"])
    (found,) = daemons(tmp_path)
    assert found.pid() == pid
    found.stop()
    assert daemon.pid() is None
    assert not runs(pid)
    assert daemons(tmp_path) == []


def test_it_is_started_once(daemon: Daemon) -> None:
    assert daemon.start(["sleep", "60"]) == daemon.start(["sleep", "60"])


def test_its_children_end_with_it(daemon: Daemon) -> None:
    daemon.start(["sh", "-c", "sleep 60 & echo $!; wait"])
    eventually(lambda: daemon.log_tail().strip().isdigit())
    child = int(daemon.log_tail())
    assert runs(child)
    daemon.stop()
    eventually(lambda: not runs(child))


def test_one_that_does_not_listen_is_killed_when_the_patience_is_over(daemon: Daemon) -> None:
    pid = daemon.start(["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"])
    eventually(lambda: "deaf" in daemon.log_tail())
    daemon.stop(patience=timedelta(seconds=0.2))
    assert not runs(pid)


def test_one_that_ended_by_itself_is_not_running(daemon: Daemon) -> None:
    pid = daemon.start(["true"])
    eventually(lambda: daemon.pid() is None)
    assert not Path(f"/proc/{pid}").exists()  # no zombie of ours either
    assert daemon.start(["sleep", "60"]) != pid


def test_a_number_that_became_another_process_is_left_alone(daemon: Daemon) -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        daemon.pid_file.parent.mkdir(parents=True)
        daemon.pid_file.write_text(f"{other.pid} 1\n")
        assert daemon.pid() is None
        daemon.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_it_gets_no_environment_but_its_own(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-caller")
    daemon.start(["env"], environment={"OWN": "yes"})
    eventually(lambda: daemon.pid() is None)
    assert "OWN=yes" in daemon.log_tail()
    assert "AWS_SECRET_ACCESS_KEY" not in daemon.log_tail()


def test_its_log_and_pid_are_private(daemon: Daemon) -> None:
    daemon.start(["sleep", "60"])
    assert daemon.log_file.stat().st_mode & 0o777 == 0o600
    assert daemon.pid_file.parent.stat().st_mode & 0o777 == 0o700
