"""The receiver of heartbeats, alone in the services' namespace, where every node reaches it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from lab.certificates import Authority
from lab.description import RECEIVER_PORT, LabDescription
from lab.errors import LabError

_SECONDS = 10
Json = dict[str, Any]


@dataclass(frozen=True)
class Receiver:
    """`airflow transition receiver`, with Airflow's own database and configuration."""

    lab: LabDescription

    @property
    def url(self) -> str:
        return f"https://{self.lab.services_address}:{RECEIVER_PORT}"

    def command(self, *airflow: str) -> list[str]:
        """Its command line; the certificate is that of the other services."""
        certificate = Authority(self.lab.state).certificate("services")
        if certificate is None:
            raise LabError("no certificate", where=str(self.lab.state), do="run lab/up")
        return [
            *("nsenter", f"--net=/run/netns/{self.lab.services_netns}", "--"),
            *(*airflow, "transition", "receiver"),
            *("--host", self.lab.services_address, "--port", str(RECEIVER_PORT)),
            *("--tls-cert", str(certificate.cert_file), "--tls-key", str(certificate.key_file)),
        ]

    def ready(self) -> bool:
        try:
            answer = requests.get(f"{self.url}/healthz", verify=str(self.lab.ca_file), timeout=2)
        except requests.RequestException:
            return False
        return answer.ok


@dataclass(frozen=True)
class ReceiverClient:
    """What a person with Airflow's admin login asks it."""

    receiver: Receiver
    bearer: Callable[[], str] = field(repr=False)

    def clusters(self, *, grace_seconds: float) -> dict[str, Json]:
        """Each cluster's report by its name."""
        found = self._call("GET", f"/clusters?grace_seconds={grace_seconds:g}")
        return {each["cluster"]: each for each in found["clusters"]}

    def health(self, *, grace_seconds: float) -> dict[str, str]:
        """The health of each node by its cluster: the lab's have one."""
        clusters = self.clusters(grace_seconds=grace_seconds)
        return {
            name: each["nodes"][0]["health"] for name, each in clusters.items() if each["nodes"]
        }

    def claims(self) -> list[Json]:
        """Newest first."""
        found: list[Json] = self._call("GET", "/claims")
        return found

    def fences(self, claim: str) -> list[Json]:
        found: list[Json] = self._call("GET", f"/claims/fences?id={claim}")
        return found

    def leases(self, cluster: str) -> list[Json]:
        found: list[Json] = self._call("GET", f"/clusters/{cluster}/leases")
        return found

    def new_token(self, *, cluster: str, node: str) -> str:
        """For the agent of a node; the receiver shows it this once."""
        made = self._call("POST", "/tokens", json={"cluster": cluster, "node": node})
        return str(made["token"])

    def _call(self, method: str, path: str, *, json: object = None) -> Any:
        answer = requests.request(
            method,
            f"{self.receiver.url}{path}",
            json=json,
            headers={"Authorization": f"Bearer {self.bearer()}"},
            verify=str(self.receiver.lab.ca_file),
            timeout=_SECONDS,
        )
        if not answer.ok:
            raise LabError(
                f"answered {answer.status_code}",
                where=f"{method} {path.partition('?')[0]} of the receiver",
                found=answer.text[:500],
                do="read logs/receiver.log of the lab's Airflow",
            )
        return answer.json()
