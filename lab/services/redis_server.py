"""The lab's Redis: the broker between an Airflow's scheduler and its workers on other machines."""

import shutil
from dataclasses import dataclass, field

import redis

from lab.description import write_private
from lab.services.daemon import DaemonError
from lab.services.service import Service

_PROBE_SECONDS = 5


@dataclass(frozen=True)
class RedisServer(Service):
    """Debian's `redis-server` with a password, which no command line and no log has."""

    password: str = field(repr=False)

    @property
    def name(self) -> str:
        return "redis"

    @property
    def url(self) -> str:
        """Without the password."""
        return f"redis://{self.place.address}:{self.place.port}"

    def database_url(self, number: int) -> str:
        return f"redis://:{self.password}@{self.place.address}:{self.place.port}/{number}"

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise DaemonError("redis-server: not found; `make machine` installs it")
        self.daemon.start([program, str(self._configuration())])

    def ready(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis(
            host=self.place.address,
            port=self.place.port,
            password=self.password,
            socket_timeout=_PROBE_SECONDS,
        )

    def _configuration(self) -> str:
        """What was acknowledged is on disk: a queued task outlives a crash."""
        lines = (
            f"bind {self.place.address}",
            f"port {self.place.port}",
            f"requirepass {self.password}",
            f"dir {self.folder}",
            "appendonly yes",
        )
        file = self.folder / "redis.conf"
        write_private(file, content="\n".join(lines) + "\n")
        return str(file)
