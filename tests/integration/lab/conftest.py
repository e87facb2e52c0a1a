"""One lab for all tests of this folder, under names of its own; each test has its own namespace."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import guard
from lab.client import Client, unique
from lab.description import CLUSTERS, LabDescription, LabSettings
from lab.story import Story

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _settings_of_this_run(state: Path) -> dict[str, str]:
    """Names and addresses that another test run on this machine does not have."""
    pid = os.getpid()
    sign = "".join(_DIGITS[pid // len(_DIGITS) ** place % len(_DIGITS)] for place in range(4))
    return {
        "LAB_NAME": f"t{sign}",
        "LAB_SUBNET": f"10.87.{100 + pid % 150}.0/24",
        "LAB_STATE": str(state),
    }


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabDescription]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _settings_of_this_run(tmp_path_factory.mktemp("lab") / "s").items():
            patch.setenv(name, value)
        with guard.lab(LabSettings(), Story()) as description:
            yield description


@pytest.fixture(scope="session")
def settings(lab: LabDescription) -> LabSettings:
    return LabSettings()


@pytest.fixture(scope="session")
def image(lab: LabDescription) -> str:
    """The sample application, by digest."""
    return Client(lab, cluster=CLUSTERS[0]).video_image()


@pytest.fixture
def source(lab: LabDescription) -> Iterator[Client]:
    with Client(lab, cluster=CLUSTERS[0], namespace=unique()) as client:
        yield client


@pytest.fixture
def target(lab: LabDescription, source: Client) -> Iterator[Client]:
    with Client(lab, cluster=CLUSTERS[1], namespace=source.namespace) as client:
        yield client
