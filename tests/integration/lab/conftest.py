"""Each test has a namespace of its own in the lab of the session."""

from collections.abc import Iterator

import pytest

from lab.client import Client, unique
from lab.description import CLUSTERS, LabDescription


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
