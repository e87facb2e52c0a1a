"""A real Airflow on this machine: its four components, each a session of its own.

`airflow standalone` leaves its children running when it is ended, so the components are started and
ended one by one, by their ids. Everything binds loopback, but for an API server that workers on
other machines of the lab have to reach.
"""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, Self

from lab.airflow_processes import (
    kill_all,
    processes_with,
    session_members,
    signal_process,
    start_session,
    wait_ended,
)
from lab.airflow_rest import AirflowApi, AirflowLabError, ignore, until
from lab.airflow_settings import Secrets, connection_entity, environment
from lab.description import write_private


class Companion(Protocol):
    """A process beside Airflow's own, with the same configuration."""

    def command(self, *airflow: str) -> list[str]:
        """Its command line; `airflow` is how Airflow's own program is called."""

    def ready(self) -> bool:
        """Whether it does its work."""


COMPONENTS: dict[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
"""The worker log servers would bind every address; the API server reads the files itself."""

_USERNAME = "admin"


class AirflowInstance(AirflowApi):
    """One Airflow in `state_dir`. Start it, drive it by REST, stop it; nothing is left running."""

    def __init__(
        self,
        state_dir: Path,
        *,
        dags_folder: Path,
        policies_folder: Path,
        connections: Mapping[str, Mapping[str, Any]],
        port: int,
        host: str = "127.0.0.1",
        database_url: str | None = None,
        settings: Mapping[tuple[str, str], str] | None = None,
        components: Iterable[str] = COMPONENTS,
        companions: Mapping[str, Companion] | None = None,
        say: Callable[[str], None] = ignore,
    ) -> None:
        """`database_url` None: SQLite in `state_dir`; `settings`: (section, key) -> value.

        Another database needs its two drivers, for PostgreSQL psycopg2 and asyncpg. The executor is
        a setting like any other: `lab/workers.py` has CeleryExecutor's, and its workers, which are
        companions.
        """
        self._companions = companions or {}
        self._components = (*components, *self._companions)
        self.state_dir = state_dir.absolute()
        self.url = f"http://{host}:{port}"
        self.username = _USERNAME
        self._secrets = _secrets(self.state_dir)
        self.password = self._secrets.password
        self._connections = connections
        self._say = say
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = environment(
            home=self.state_dir,
            port=port,
            host=host,
            dags_folder=dags_folder.absolute(),
            policies_folder=policies_folder.absolute(),
            database_url=database_url or f"sqlite:///{self.state_dir}/airflow.db?timeout=30",
            secrets=self._secrets,
            extra=settings or {},
        )
        super().__init__(url=self.url, username=self.username, password=self.password)

    def start(self, *, timeout: timedelta = timedelta(minutes=3)) -> Self:
        """Migrate the database, start all components, wait for health.

        The connections are stored before anything can run a task that needs them.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        end_leftovers(self.state_dir)
        content = json.dumps({self.username: self.password})
        write_private(self.state_dir / "passwords.json", content=content)
        self._say("migrating Airflow's database")
        self.command("db", "migrate")
        self._say("starting Airflow's components")
        for name in self._components:
            self.start_component(name)
        self.wait_healthy(deadline=deadline)
        self.store_connections(self._connections)
        return self

    def stop(self) -> None:
        """End every component and everything that it started."""
        processes = list(self._processes.values())
        for process in processes:
            signal_process(process.pid, signal.SIGTERM)
        wait_ended(processes, seconds=5)
        self._processes.clear()
        end_leftovers(self.state_dir)
        self.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start_component(self, name: str) -> None:
        """Start one component that is not running."""
        airflow = (sys.executable, "-m", "airflow")
        companion = self._companions.get(name)
        self._processes[name] = start_session(
            companion.command(*airflow) if companion else [*airflow, *COMPONENTS[name]],
            env=self._environment,
            log=self.log_file(name),
            cwd=self.state_dir,
        )

    def kill_component(self, name: str, *, tasks_too: bool = True) -> None:
        """SIGKILL a component, as a crash would; by default with all that it started."""
        process = self._processes.pop(name)
        kill_all(session_members(process.pid) if tasks_too else [process.pid])
        process.wait()

    def restart_component(self, name: str) -> None:
        """Kill a component if it runs, start it again and wait until it is healthy."""
        if name in self._processes:
            self.kill_component(name)
        self.start_component(name)
        self.wait_healthy(deadline=time.monotonic() + 90)

    def component_pid(self, name: str) -> int:
        return self._processes[name].pid

    def log_file(self, name: str) -> Path:
        return self.state_dir / "logs" / f"{name}.log"

    def command(self, *arguments: str) -> str:
        """Run an `airflow` command of this instance; its output."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.state_dir,
        )
        if done.returncode != 0:
            tail = (done.stdout + done.stderr)[-2000:]
            raise AirflowLabError(f"airflow {' '.join(arguments)}: failed; {tail}")
        return done.stdout

    def wait_healthy(self, *, deadline: float) -> None:
        """Until every component says so, and the API server is warm."""
        for name in until(deadline, self._unhealthy):
            process = self._processes.get(name)
            if process is not None and process.poll() is not None:
                ended = f"{name}: ended with {process.returncode}"
                raise AirflowLabError(f"{ended}; read {self.log_file(name)}")
        self.warm()

    def _unhealthy(self) -> str | None:
        """Name of a running component that does not say that it is healthy."""
        health = self.health()
        if not health:
            return "api-server"
        for name in self._processes.keys() & self._companions.keys():
            if not self._companions[name].ready():
                return name
        for name in self._processes.keys() - {"api-server"} - self._companions.keys():
            said = health.get(name.replace("-", "_")) or {}
            if said.get("status") != "healthy" or self._processes[name].poll() is not None:
                return name
        return None

    def store_connections(self, connections: Mapping[str, Mapping[str, Any]]) -> None:
        """Add connections to Airflow's, or change them."""
        entities = [connection_entity(name, conn) for name, conn in connections.items()]
        if not entities:
            return
        action = {"action": "create", "action_on_existence": "overwrite", "entities": entities}
        # On SQLite a busy start can outlast the lock's time-out: storing again changes nothing.
        answer = self.rest("PATCH", "connections", json={"actions": [action]}, tries=5)
        errors = (answer.get("create") or {}).get("errors")
        if errors:
            raise AirflowLabError(f"connections: {errors}")


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_leftovers(state_dir: Path) -> None:
    """End what an instance in `state_dir` left behind, found by its AIRFLOW_HOME."""
    kill_all(processes_with("AIRFLOW_HOME", value=str(state_dir.absolute())))


def _secrets(state_dir: Path) -> Secrets:
    """Those of an earlier start: the database is encrypted with them."""
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = state_dir / "secrets.json"
    if not file.exists():
        write_private(file, content=json.dumps(asdict(Secrets.create())))
    return Secrets(**json.loads(file.read_text()))
