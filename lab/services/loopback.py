"""Real S3, registry and Git on the host's loopback, for tests and benchmarks.

Nothing is left behind, however the process that asked for them ends: see `lab.services.sweep`.
"""

import itertools
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.certificates import Authority
from lab.description import GitAccess, RegistryAccess, S3Access
from lab.services import sweep
from lab.services.git_server import GitServer, make_repository
from lab.services.ports import free_ports
from lab.services.registry import Registry
from lab.services.s3_server import S3Server
from lab.services.service import Place

_ADDRESS = "127.0.0.1"
_SWEEP_PATIENCE = timedelta(seconds=30)
_SOURCE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class S3Endpoint:
    url: str
    ca_file: Path
    access_key: str
    secret_key: str
    bucket: str
    region: str
    server: S3Server
    """To `kill()`, `start()` and `wait_ready()`; never that of the whole test session."""


@dataclass(frozen=True)
class RegistryEndpoint:
    url: str
    address: str
    """`host:port`, as image references begin with it."""
    ca_file: Path
    username: str
    password: str
    server: Registry


@dataclass(frozen=True)
class GitEndpoint:
    url: str
    ca_file: Path
    username: str
    password: str
    server: GitServer

    def new_repository(self) -> str:
        """The URL of an empty bare repository of the caller's own."""
        name = f"{secrets.token_hex(4)}.git"
        make_repository(self.server.root / name)
        return f"{self.url}/{name}"


class Loopback:
    """`with Loopback() as loopback: s3 = loopback.start_s3()`; each start is another server."""

    def __enter__(self) -> Self:
        self._state = Path(tempfile.mkdtemp(prefix="transition-services-"))
        self._numbers = itertools.count(1)
        self._authority = Authority(self._state).open()
        self.certificate = self._authority.issue("loopback", addresses=[_ADDRESS, "localhost"])
        self._sweeper = subprocess.Popen(
            [sys.executable, "-m", sweep.__name__, self._state],
            stdin=subprocess.PIPE,
            cwd=_SOURCE,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sweeper.communicate(timeout=_SWEEP_PATIENCE.total_seconds())

    def start_s3(self) -> S3Endpoint:
        place = self._place()
        access = S3Access(
            endpoint_url=f"https://{_ADDRESS}:{place.port}",
            access_key=secrets.token_hex(10),
            secret_key=secrets.token_hex(20),
        )
        server = S3Server(place, access=access)
        server.start()
        server.wait_ready()
        return S3Endpoint(
            url=access.endpoint_url,
            ca_file=self._authority.ca_file,
            access_key=access.access_key,
            secret_key=access.secret_key,
            bucket=access.bucket,
            region=access.region,
            server=server,
        )

    def start_registry(self, *, deletes: bool = True) -> RegistryEndpoint:
        place = self._place()
        access = RegistryAccess(
            address=f"{_ADDRESS}:{place.port}",
            url=f"https://{_ADDRESS}:{place.port}",
            username="transition",
            password=secrets.token_hex(16),
        )
        server = Registry(place, access=access, deletes=deletes)
        server.start()
        server.wait_ready()
        return RegistryEndpoint(
            url=access.url,
            address=access.address,
            ca_file=self._authority.ca_file,
            username=access.username,
            password=access.password,
            server=server,
        )

    def start_git(self) -> GitEndpoint:
        place = self._place()
        access = GitAccess(
            url=f"https://{_ADDRESS}:{place.port}",
            username="transition",
            password=secrets.token_hex(16),
            repositories={},
        )
        server = GitServer(place, access=access, repositories=())
        server.start()
        server.wait_ready()
        return GitEndpoint(
            url=access.url,
            ca_file=self._authority.ca_file,
            username=access.username,
            password=access.password,
            server=server,
        )

    def _place(self) -> Place:
        (port,) = free_ports(1)
        return Place(
            address=_ADDRESS,
            port=port,
            state=self._state / str(next(self._numbers)),
            certificate=self.certificate,
        )
