"""The lab as its users meet it: Git decides what runs, faults lose nothing, down leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from lab import lifecycle
from lab.cluster_server import ClusterServer
from lab.description import CLUSTERS, LabDescription, LabSettings
from lab.git_client import GitClient
from lab.gitops import gitops_loops
from lab.ledger import Report
from lab.node import Node
from lab.poller import Poller
from lab.services.all import services_of

SOURCE, TARGET = CLUSTERS
DOOR = "transition.dcnlab.ssu.ac.kr/door"
PATIENCE_SECONDS = 60


class Api:
    """One cluster's API server, as an administrator sees it."""

    def __init__(self, lab: LabDescription, *, cluster: str) -> None:
        access = lab.clusters[cluster]
        self.url = f"{access.api_url}/api/v1/namespaces/shop"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(lab.ca_file)
        self.session.headers["Authorization"] = f"Bearer {access.token}"

    def pods(self) -> list[str]:
        answer = self.session.get(f"{self.url}/pods", timeout=10)
        answer.raise_for_status()
        return [pod["metadata"]["name"] for pod in answer.json()["items"]]

    def selector(self) -> dict[str, str]:
        answer = self.session.get(f"{self.url}/services", timeout=10)
        answer.raise_for_status()
        (service,) = answer.json()["items"]
        self.service = service["metadata"]["name"]
        selector: dict[str, str] = service["spec"]["selector"]
        return selector

    def set_door(self, value: str | None) -> None:
        self.selector()
        self.session.patch(
            f"{self.url}/services/{self.service}",
            data=json.dumps({"spec": {"selector": {DOOR: value}}}),
            headers={"Content-Type": "application/merge-patch+json"},
            timeout=10,
        ).raise_for_status()


@pytest.fixture
def api(lab: LabDescription) -> Iterator[Api]:
    api = Api(lab, cluster=SOURCE)
    with api.session:
        yield api


@pytest.fixture
def git(lab: LabDescription) -> GitClient:
    return GitClient(username=lab.git.username, password=lab.git.password, ca_file=lab.ca_file)


@pytest.fixture
def clone(lab: LabDescription, git: GitClient, tmp_path: Path) -> Path:
    git.run("clone", "--quiet", lab.git.repositories[SOURCE], tmp_path / "clone")
    return tmp_path / "clone"


@pytest.fixture
def poller(lab: LabDescription) -> Iterator[Poller]:
    with Poller({name: each.app_url for name, each in lab.clusters.items()}, moves=0) as poller:
        eventually(lambda: poller.report().answers > 0)
        yield poller


def eventually(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def commit(git: GitClient, *, clone: Path, lab: LabDescription) -> None:
    """Push what was changed in the clone and wait until the cluster has it."""
    git.run("commit", "--quiet", "--all", "--message", "change", folder=clone)
    git.run("push", "--quiet", "origin", "HEAD:main", folder=clone)
    revision = git.run("rev-parse", "HEAD", folder=clone).strip()
    loop = next(each for each in gitops_loops(lab) if each.settings.cluster == SOURCE)

    def is_applied() -> bool:
        status = loop.status()
        return status is not None and status.revision == revision

    eventually(is_applied)


def replace(file: Path, *, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def answers_more(poller: Poller, *, than: Report) -> bool:
    return poller.report().answers >= than.answers + 5


def test_a_door_that_was_closed_stays_closed_over_a_commit(
    lab: LabDescription, api: Api, git: GitClient, clone: Path
) -> None:
    api.set_door("closed")
    try:
        replace(clone / "video/service.yaml", old="kind: Service", new="kind: Service  # changed")
        commit(git, clone=clone, lab=lab)
        assert api.selector()[DOOR] == "closed"
    finally:
        api.set_door(None)
    assert DOOR not in api.selector()


def test_git_decides_how_many_run(
    lab: LabDescription, api: Api, git: GitClient, clone: Path
) -> None:
    manifest = clone / "video/deployment.yaml"
    replace(manifest, old="replicas: 1", new="replicas: 0")
    commit(git, clone=clone, lab=lab)
    eventually(lambda: api.pods() == [])
    replace(manifest, old="replicas: 0", new="replicas: 1")
    commit(git, clone=clone, lab=lab)
    with Poller({SOURCE: lab.clusters[SOURCE].app_url}) as poller:
        eventually(lambda: poller.report().answers > 0)
    assert len(api.pods()) == 1


def test_the_application_does_not_notice_faults_around_it(
    lab: LabDescription, poller: Poller
) -> None:
    """S3, registry, Git, GitOps loops and API servers are killed at once and come back."""
    before = poller.report()
    servers = [ClusterServer(node=Node.of(lab, cluster=name), lab=lab) for name in CLUSTERS]
    parts = [*services_of(lab), *gitops_loops(lab), *servers]
    for part in parts:
        part.kill()
        assert not part.ready()
    eventually(lambda: answers_more(poller, than=before))
    for part in parts:
        part.start()
    for part in parts:
        part.wait_ready()
    between = poller.report()
    eventually(lambda: answers_more(poller, than=between))
    report = poller.report()
    assert report.problems == ()
    assert report.id == before.id


def test_a_pod_outlives_its_api_server_and_is_found_again(lab: LabDescription, api: Api) -> None:
    before = api.pods()
    server = ClusterServer(node=Node.of(lab, cluster=SOURCE), lab=lab)
    server.kill()
    server.start()
    server.wait_ready()
    assert api.pods() == before


def test_a_lab_that_was_killed_while_it_came_up_is_taken_down(
    settings_for: Callable[[str], LabSettings],
) -> None:
    settings = settings_for("killed")
    lifecycle.down(settings)
    environment = {
        "PATH": os.environ["PATH"],
        "LAB_NAME": settings.name,
        "LAB_SUBNET": str(settings.subnet),
        "LAB_STATE": str(settings.state),
    }
    up = subprocess.Popen(
        [sys.executable, "-m", "lab", "up"],
        cwd=Path(__file__).parents[3],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        agent = settings.state / "run" / f"agent-{SOURCE}.pid"
        eventually(lambda: agent.exists() or up.poll() is not None)
        assert up.poll() is None
        up.send_signal(signal.SIGKILL)
        up.wait()
        assert lifecycle.remains(settings)
    finally:
        up.kill()
        up.wait()
        lifecycle.down(settings)
    assert lifecycle.remains(settings) == []
