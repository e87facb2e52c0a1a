"""Runs `airflow` with a home of the test's own, and the receiver as `airflow` starts it."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx

from lab.airflow import free_port
from lab.airflow_settings import Secrets, environment

_PATIENCE_SECONDS = 60


class AirflowProcess:
    """One installation of Airflow without any of its servers."""

    def __init__(self, home: Path, *, database_url: str) -> None:
        home.mkdir(parents=True)
        secrets = Secrets.create()
        (home / "passwords.json").write_text(json.dumps({"admin": secrets.password}))
        self.home = home
        self.password = secrets.password
        self.port = free_port()
        self.log = home / "receiver.log"
        self.env = environment(
            home=home,
            port=free_port(),
            dags_folder=home,
            policies_folder=home,
            database_url=database_url,
            secrets=secrets,
            # Airflow's own asynchronous sessions would want a driver that nothing here needs.
            extra={("database", "sql_alchemy_conn_async"): ""}
            if database_url.startswith("postgresql")
            else {},
        )
        self._receiver: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def python(self, code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start_receiver(self, *arguments: str) -> None:
        """Until it answers."""
        with self.log.open("ab") as log:
            self._receiver = subprocess.Popen(
                [
                    *(sys.executable, "-m", "airflow", "transition", "receiver"),
                    *("--port", str(self.port), *arguments),
                ],
                env=self.env,
                stdout=log,
                stderr=log,
            )
        scheme = "https" if arguments else "http"
        trust_all = ssl.create_default_context()
        trust_all.check_hostname = False
        trust_all.verify_mode = ssl.CERT_NONE
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            assert self._receiver.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            try:
                httpx.get(f"{scheme}://127.0.0.1:{self.port}/healthz", verify=trust_all, timeout=1)
            except httpx.HTTPError:
                continue
            return

    def stop_receiver(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self._receiver is not None
        os.kill(self._receiver.pid, number)
        code = self._receiver.wait(timeout=30)
        self._receiver = None
        return code

    def end(self) -> None:
        if self._receiver is not None:
            self._receiver.kill()
            self._receiver.wait()
