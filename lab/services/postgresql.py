"""A PostgreSQL server of Debian's packages for tests and benchmarks: loopback only, thrown away."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.airflow import free_port
from lab.errors import MachineError

_PROGRAMS = Path("/usr/lib/postgresql")
_USER = "postgres"
"""Debian's own; the server refuses to run as root."""


class PostgreSql:
    """One server in a folder of its own. A crash can be made by `kill`, and `start` goes on."""

    def __init__(self) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self._folder = Path(tempfile.mkdtemp(prefix="transition-postgresql-"))
        self._server: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self._folder, _USER, _USER)
        self._initialise()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg2://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Its URL."""
        self._run("psql", *self._to_server, "-qc", f'CREATE DATABASE "{name}"')
        return self.url(name)

    @property
    def pid(self) -> int:
        assert self._server is not None  # noqa: S101 - asked while it runs
        return self._server.pid

    def start(self) -> Self:
        log = (self._folder / "log").open("ab")
        with log:
            self._server = subprocess.Popen(
                [
                    _program("postgres"),
                    *("-D", str(self._data), "-p", str(self.port)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                ],
                stdout=log,
                stderr=log,
                **self._as_user(),
            )
        self._run("pg_isready", *self._to_server, "-q", tries=600)
        return self

    def kill(self) -> None:
        """As a power cut ends it."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End it, and leave nothing behind."""
        self._end(signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _to_server(self) -> tuple[str, ...]:
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", _USER)

    def _initialise(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self.password)
        if os.geteuid() == 0:
            shutil.chown(secret, _USER, _USER)
        self._run(
            *("initdb", "-D", str(self._data), "-U", _USER, "-E", "UTF8", "--locale=C.UTF-8"),
            *("--auth=scram-sha-256", f"--pwfile={secret}"),
        )
        secret.unlink()

    def _run(self, program: str, *arguments: str, tries: int = 1) -> None:
        done = None
        for attempt in range(tries):
            done = subprocess.run(
                [_program(program), *arguments],
                capture_output=True,
                text=True,
                check=False,
                **self._as_user(),
            )
            if done.returncode == 0:
                return
            if attempt + 1 < tries and self._server is not None:
                self._wait(seconds=0.1)
        raise MachineError(
            f"{program} of PostgreSQL failed",
            where=str(self._folder),
            found=(done.stderr if done else "")[-1000:],
            do="read the server's log there",
        )

    def _wait(self, *, seconds: float) -> None:
        """Until the server has ended, which it should not, or so long."""
        assert self._server is not None  # noqa: S101
        try:
            self._server.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return
        raise MachineError(
            "PostgreSQL has ended",
            where=str(self._folder),
            found=(self._folder / "log").read_text()[-1000:],
            do="see to its log",
        )

    def _end(self, number: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(number)
            self._server.wait(timeout=30)
            self._server = None

    def _as_user(self) -> dict[str, Any]:
        who = {"user": _USER, "group": _USER, "extra_groups": []} if os.geteuid() == 0 else {}
        environment = {"PATH": os.environ["PATH"], "PGPASSWORD": self.password, "LC_ALL": "C.UTF-8"}
        return {"env": environment, "cwd": "/", **who}


def _program(name: str) -> str:
    """The newest version that is installed: Debian keeps them outside of PATH."""
    found: list[Path] = sorted(_PROGRAMS.glob(f"*/bin/{name}"), key=_version)
    if not found:
        raise MachineError(
            f"PostgreSQL's {name} is missing",
            where=str(_PROGRAMS),
            do="install Debian's package postgresql-15",
        )
    return str(found[-1])


def _version(program: Path) -> int:
    return int(program.parts[4])
