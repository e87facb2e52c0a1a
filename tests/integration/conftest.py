"""Real servers on loopback, with TLS and passwords, started once per session when first asked for.

A test that kills or restarts a server takes one of its own: `make_s3`, `make_registry`, `make_git`.
`lab` is the whole lab with both clusters; what a test does to it, the test undoes.
"""

from collections.abc import Callable, Iterator

import pytest

from lab import lifecycle
from lab.description import LabDescription, LabSettings
from lab.services.loopback import GitEndpoint, Loopback, RegistryEndpoint, S3Endpoint
from lab.story import Story
from tests.own_lab import settings_for


@pytest.fixture(scope="session")
def loopback() -> Iterator[Loopback]:
    with Loopback() as loopback:
        yield loopback


@pytest.fixture(scope="session")
def s3_server(loopback: Loopback) -> S3Endpoint:
    return loopback.start_s3()


@pytest.fixture(scope="session")
def registry(loopback: Loopback) -> RegistryEndpoint:
    return loopback.start_registry()


@pytest.fixture(scope="session")
def git_server(loopback: Loopback) -> GitEndpoint:
    return loopback.start_git()


@pytest.fixture
def make_s3(loopback: Loopback) -> Iterator[Callable[[], S3Endpoint]]:
    started: list[S3Endpoint] = []

    def make() -> S3Endpoint:
        started.append(loopback.start_s3())
        return started[-1]

    yield make
    for endpoint in started:
        endpoint.server.stop()


@pytest.fixture
def make_registry(loopback: Loopback) -> Iterator[Callable[..., RegistryEndpoint]]:
    started: list[RegistryEndpoint] = []

    def make(**options: bool) -> RegistryEndpoint:
        started.append(loopback.start_registry(**options))
        return started[-1]

    yield make
    for endpoint in started:
        endpoint.server.stop()


@pytest.fixture
def make_git(loopback: Loopback) -> Iterator[Callable[[], GitEndpoint]]:
    started: list[GitEndpoint] = []

    def make() -> GitEndpoint:
        started.append(loopback.start_git())
        return started[-1]

    yield make
    for endpoint in started:
        endpoint.server.stop()


@pytest.fixture(scope="session", name="settings_for")
def settings_of_labs() -> Callable[[str], LabSettings]:
    return settings_for


@pytest.fixture(scope="session")
def lab(settings_for: Callable[[str], LabSettings]) -> Iterator[LabDescription]:
    settings = settings_for("lab")
    try:
        yield lifecycle.up(settings, Story())
    finally:
        lifecycle.down(settings)
    assert lifecycle.remains(settings) == []
