"""The lab's Airflow: its settings, its secrets, and the processes that it ends."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lab.airflow import AirflowInstance
from lab.airflow_processes import kill_all, processes_with, session_members, start_session
from lab.airflow_settings import Secrets, connection_entity, environment

CHILD_IN_A_GROUP_OF_ITS_OWN = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)
print("ready", flush=True)
time.sleep(60)
"""


SAYS_HOW_IT_WAS_CALLED = """
import sys, time
print(*sys.argv[1:], flush=True)
time.sleep(60)
"""


def instance(folder: Path, **arguments: object) -> AirflowInstance:
    return AirflowInstance(
        folder / "airflow",
        dags_folder=folder,
        policies_folder=folder,
        connections={},
        port=18999,
        **arguments,
    )


def test_secrets_are_private_and_stay_the_same(tmp_path: Path) -> None:
    first = instance(tmp_path).password
    file = tmp_path / "airflow" / "secrets.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert instance(tmp_path).password == first


class Companion:
    def __init__(self) -> None:
        self.answers = False

    def command(self, *airflow: str) -> list[str]:
        return [sys.executable, "-c", SAYS_HOW_IT_WAS_CALLED, *airflow]

    def ready(self) -> bool:
        return self.answers


def test_a_companion_is_started_with_airflows_configuration_and_waited_for(
    tmp_path: Path,
) -> None:
    companion = Companion()
    airflow = instance(tmp_path, components=(), companions={"receiver": companion})
    try:
        airflow.start_component("receiver")
        pid = airflow.component_pid("receiver")
        while "-m airflow" not in airflow.log_file("receiver").read_text():
            assert airflow._processes["receiver"].poll() is None
        assert pid in processes_with("AIRFLOW_HOME", value=str(airflow.state_dir))
        airflow.health = lambda: {"scheduler": {}}
        assert airflow._unhealthy() == "receiver"
        companion.answers = True
        assert airflow._unhealthy() is None
    finally:
        airflow.kill_component("receiver")


def test_nothing_of_the_callers_airflow_gets_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_SECRET", "x")
    made = environment(
        home=tmp_path,
        port=1,
        dags_folder=tmp_path,
        policies_folder=tmp_path,
        database_url="sqlite://",
        secrets=Secrets.create(),
        extra={("core", "parallelism"): "2"},
    )
    assert made["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert made["AIRFLOW__CORE__PARALLELISM"] == "2"
    assert "AIRFLOW_CONN_SECRET" not in made


def test_a_connections_extra_is_sent_as_json() -> None:
    entity = connection_entity("git", {"conn_type": "git", "extra": {"ca_file": "/ca"}})
    assert entity == {"connection_id": "git", "conn_type": "git", "extra": '{"ca_file": "/ca"}'}


def test_a_session_is_ended_with_children_that_lead_groups_of_their_own(tmp_path: Path) -> None:
    """As the tasks of LocalExecutor do."""
    marked = {"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    leader = start_session(
        [sys.executable, "-c", CHILD_IN_A_GROUP_OF_ITS_OWN],
        env=marked,
        log=tmp_path / "log",
        cwd=tmp_path,
    )
    while "ready" not in (tmp_path / "log").read_text():
        assert leader.poll() is None
    members = session_members(leader.pid)
    assert len(members) == 2
    assert sorted(processes_with("AIRFLOW_HOME", value=str(tmp_path))) == sorted(members)
    kill_all(members)
    leader.wait()
    assert session_members(leader.pid) == []


def test_a_process_that_is_gone_is_no_error() -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    kill_all([done.pid])
