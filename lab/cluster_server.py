"""The API server of a cluster, as a process on its node."""

import base64
import json
import os
import ssl
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPSConnection
from pathlib import Path

from lab.certificates import Authority
from lab.description import API_PORT, LabDescription, write_private
from lab.node import Node
from lab.services.daemon import PROBE_INTERVAL, Daemon, DaemonError

_SOURCE = Path(__file__).resolve().parent.parent
_PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class ClusterServer:
    """Start, ask, stop and kill it; the pods go on when it is gone, and are found again."""

    node: Node
    lab: LabDescription

    @property
    def daemon(self) -> Daemon:
        return self.node.daemon("api")

    def start(self) -> None:
        authority = Authority(self.lab.state).open()
        if authority.certificate(self.node.name) is None:
            authority.issue(self.node.name, addresses=[self.node.address, "127.0.0.1"])
        self._write_kubeconfig()
        chosen = {key: value for key, value in os.environ.items() if key.startswith("LAB_")}
        self.node.start(
            "api",
            *(sys.executable, "-m", "lab.api", self.node.cluster),
            env={**chosen, "PYTHONPATH": str(_SOURCE), "LAB_STATE": str(self.lab.state)},
        )

    def ready(self) -> bool:
        tls = ssl.create_default_context(cafile=self.lab.ca_file)
        connection = HTTPSConnection(
            self.node.address, API_PORT, context=tls, timeout=_PROBE_SECONDS
        )
        token = self.lab.clusters[self.node.cluster].token
        try:
            connection.request("GET", "/version", headers={"Authorization": f"Bearer {token}"})
            return connection.getresponse().status == 200  # noqa: PLR2004 - HTTP's OK
        except OSError:
            return False
        finally:
            connection.close()

    def wait_ready(self, *, patience: timedelta = timedelta(seconds=30)) -> None:
        deadline = time.monotonic() + patience.total_seconds()
        while not self.ready():
            if self.daemon.pid() is None or time.monotonic() > deadline:
                raise DaemonError(
                    f"the API server of {self.node.cluster} is not ready; its log:\n"
                    f"{self.daemon.log_tail()}"
                )
            time.sleep(PROBE_INTERVAL.total_seconds())

    def stop(self) -> None:
        self.daemon.stop()

    def kill(self) -> None:
        """As a power cut of the control plane; `start` finds the pods again."""
        self.daemon.kill()

    def _write_kubeconfig(self) -> None:
        access = self.lab.clusters[self.node.cluster]
        name = self.node.cluster
        authority = base64.b64encode(self.lab.ca_file.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": name,
                    "cluster": {
                        "server": access.api_url,
                        "certificate-authority-data": authority,
                    },
                }
            ],
            "users": [{"name": "admin", "user": {"token": access.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
            "current-context": name,
        }
        write_private(access.kubeconfig, content=json.dumps(config, indent=2))  # YAML reads JSON
