import contextlib
import secrets
import shutil
from collections.abc import Iterator

import pytest

from lab.services.loopback import S3Endpoint
from tests.integration.agent.conftest import Bucket

from .podman import ROOT, Podman, download

AGENT_IMAGE = "localhost/transition-agent:test"


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    folder = tmp_path_factory.mktemp("podman")
    podman = Podman(folder)
    try:
        podman.import_base()
        yield podman
    finally:
        with contextlib.suppress(OSError):
            podman.remove_all()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def agent_image(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> str:
    locks = (ROOT / "requirements-build.lock", ROOT / "agent" / "requirements.lock")
    wheels = download(*locks, into=tmp_path_factory.mktemp("wheels"))
    podman.build(ROOT / "agent" / "Containerfile", tag=AGENT_IMAGE, wheels=wheels)
    return AGENT_IMAGE


@pytest.fixture
def bucket(s3_server: S3Endpoint) -> Bucket:
    return Bucket(s3_server, prefix=f"{secrets.token_hex(4)}/")
