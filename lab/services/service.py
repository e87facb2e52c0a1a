"""What all services of the lab have in common: start, ready, stop, and the fault in between."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lab.certificates import ServerCertificate
from lab.services.daemon import PROBE_INTERVAL, Daemon, DaemonError


@dataclass(frozen=True)
class Place:
    """Where a service runs: its address and port, its certificate, its files."""

    address: str
    port: int
    state: Path
    certificate: ServerCertificate
    netns: str | None = None
    """Network namespace; None is the caller's own (loopback in tests)."""


@dataclass(frozen=True)
class Service(ABC):
    """A real server as a background process; every call works from any process."""

    place: Place

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of its pid file, log and folder."""

    @abstractmethod
    def start(self) -> None:
        """Start it on the data that is there; nothing happens when it runs already."""

    @abstractmethod
    def ready(self) -> bool:
        """One probe, as a client with its credentials would see it."""

    @property
    def url(self) -> str:
        return f"https://{self.place.address}:{self.place.port}"

    @property
    def folder(self) -> Path:
        folder = self.place.state / self.name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    @property
    def daemon(self) -> Daemon:
        return Daemon(self.name, state=self.place.state, netns=self.place.netns)

    def wait_ready(self, *, patience: timedelta = timedelta(seconds=30)) -> None:
        deadline = time.monotonic() + patience.total_seconds()
        while not self.ready():
            if self.daemon.pid() is None:
                raise DaemonError(f"{self.name} has ended; its log:\n{self.daemon.log_tail()}")
            if time.monotonic() > deadline:
                raise DaemonError(
                    f"{self.name} does not answer on {self.url} after {patience}; "
                    f"its log:\n{self.daemon.log_tail()}"
                )
            time.sleep(PROBE_INTERVAL.total_seconds())

    def stop(self) -> None:
        self.daemon.stop()

    def kill(self) -> None:
        """As a power cut: no clean end. `start` goes on with the same data."""
        self.daemon.kill()
