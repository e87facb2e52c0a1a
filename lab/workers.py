"""Workers of an Airflow under CeleryExecutor, each on a machine of its own.

Such a machine is a network, a host name and a file system: the real one, but read-only, with an
empty folder for the worker that is gone when the worker is. It reaches the broker, Airflow's API
server and what the lab serves; Airflow's database and its keys it is not told.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import redis

from lab import network, processes
from lab.certificates import Authority
from lab.description import BROKER_PORT, LabDescription
from lab.errors import LabError
from lab.network import Member
from lab.services.redis_server import RedisServer
from lab.services.service import Place

_NOT_TOLD = (
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
)
_TASKS_AT_ONCE = 2
_LISTENING = "_kombu.binding.celery.pidbox"
"""Where a worker says that it listens, in Celery's own words."""

_ALONE = """\
hostname "$0"
for each in / "$1"; do mount -o remount,bind,ro "$(stat --format=%m "$each")"; done
for each in /tmp "$1"; do mount -t tmpfs -o mode=0700 tmpfs "$each"; done
cd "$1"
shift
exec "$@"
"""


def broker(lab: LabDescription) -> RedisServer:
    """A new one, beside the lab's other services; it ends with the lab."""
    certificate = Authority(lab.state).certificate("services")
    if certificate is None:
        raise LabError("no certificate", where=str(lab.state), do="run lab/up")
    place = Place(
        address=lab.services_address,
        port=BROKER_PORT,
        state=lab.state,
        certificate=certificate,
        netns=lab.services_netns,
    )
    return RedisServer(place, password=secrets.token_hex(16))


def executor(server: RedisServer) -> Mapping[tuple[str, str], str]:
    """CeleryExecutor by this broker; results go by it too, so that workers need no database."""
    return {
        ("core", "executor"): "CeleryExecutor",
        ("core", "hostname_callable"): "socket.gethostname",
        ("celery", "broker_url"): server.database_url(0),
        ("celery", "result_backend"): server.database_url(1),
        ("celery", "worker_concurrency"): str(_TASKS_AT_ONCE),
        ("celery", "sync_parallelism"): "1",
        ("celery", "operation_timeout"): "15",  # sending a task, on a machine with much to do
    }


@dataclass(frozen=True)
class Worker:
    """`airflow celery worker`, a companion of an AirflowInstance."""

    lab: LabDescription
    number: int
    broker: RedisServer

    @property
    def member(self) -> Member:
        return network.worker(self.lab, number=self.number)

    @property
    def host(self) -> str:
        """Its host name, which is where the API server asks for its logs: an address."""
        return self.member.address

    @property
    def home(self) -> Path:
        return self.lab.state / "workers" / str(self.number)

    def join(self) -> None:
        """Connect its machine to the lab."""
        self.home.mkdir(parents=True, exist_ok=True)
        network.join(self.lab, member=self.member)

    def leave(self) -> None:
        """Its machine is gone: what ran on it, its disk, its cable and its address."""
        namespace = network.namespace_file(self.member)
        if namespace.exists():
            processes.end([processes.namespace_of(namespace, kind="net")])
        network.leave(self.member)

    def command(self, *airflow: str) -> list[str]:
        return [
            *("nsenter", f"--net=/run/netns/{self.member.netns}", "--"),
            *("unshare", "--mount", "--uts", "--propagation", "private", "--"),
            *("sh", "-euc", _ALONE, self.host, str(self.home)),
            *("env", *(f"--unset={name}" for name in _NOT_TOLD)),
            *(f"AIRFLOW_HOME={self.home}", f"HOME={self.home}", "TMPDIR=/tmp"),
            f"AIRFLOW__LOGGING__BASE_LOG_FOLDER={self.home}/logs",
            f"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH={self.home}/bundles",
            *(*airflow, "celery", "worker"),
        ]

    def ready(self) -> bool:
        """Whether it takes tasks."""
        try:
            with self.broker.client() as client:
                listening = client.smembers(_LISTENING)
        except redis.RedisError:
            return False
        return any(f"celery@{self.host}.".encode() in each for each in listening)
