"""A node's container runtime: a `crictl` that reads what the test wrote, and stops what it is told.

It answers as crictl 1.36 prints; the containers have no processes, the pods are the network's.
"""

import json
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """\
#!/bin/sh
cd "{folder}"
case "$1" in
  pods) cat pods.json ;;
  ps) cat containers.json ;;
  inspectp) cat networks.json ;;
  stop) echo "$@" >> stopped; mv stopped-containers.json containers.json ;;
esac
"""


@dataclass
class FakeRuntime:
    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        program = self.folder / "crictl"
        program.write_text(_SCRIPT.format(folder=self.folder))
        program.chmod(0o755)
        self.set_pods({})

    def set_pods(self, pods: dict[str, str]) -> None:
        """Name -> addresses of every pod, with a comma between; each has one container, running."""
        listed, networks = [], []
        for name, address in pods.items():
            labels = {
                "app": name,
                "io.kubernetes.pod.name": name,
                "io.kubernetes.pod.namespace": "shop",
            }
            listed.append(
                {
                    "id": f"sandbox-{name}",
                    "metadata": {"name": name, "namespace": "shop", "attempt": 0},
                    "state": "SANDBOX_READY",
                    "labels": labels,
                }
            )
            networks.append(
                {"status": {"id": f"sandbox-{name}", "network": _network(address), "linux": {}}}
            )
        self._write("pods.json", {"items": listed})
        self._write("networks.json", networks)
        self.start_containers(list(pods))

    def start_containers(self, pods: list[str]) -> None:
        def containers(state: str) -> dict[str, object]:
            return {
                "containers": [
                    {
                        "id": f"container-{name}",
                        "podSandboxId": f"sandbox-{name}",
                        "metadata": {"name": "app", "attempt": 0},
                        "state": state,
                        "labels": {"io.kubernetes.container.name": "app"},
                    }
                    for name in pods
                ]
            }

        self._write("stopped-containers.json", containers("CONTAINER_EXITED"))
        self._write("containers.json", containers("CONTAINER_RUNNING"))

    @property
    def stopped(self) -> list[str]:
        file = self.folder / "stopped"
        return file.read_text().splitlines() if file.exists() else []

    def _write(self, name: str, content: object) -> None:
        partial = self.folder / f".{name}"
        partial.write_text(json.dumps(content))
        partial.replace(self.folder / name)


def _network(addresses: str) -> dict[str, object]:
    first, *others = addresses.split(",")
    return {"ip": first, "additionalIps": [{"ip": each} for each in others]}
