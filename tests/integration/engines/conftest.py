"""A source's repository, the repository `dr`, and an API server with an engine: what is real of it.

Git is (server, TLS, passwords, clones, pushes); the API server, Argo CD, Flux and Gitea are fakes.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from airflow_transition.hooks.polling import Poll
from lab.services.loopback import GitEndpoint
from tests.fake_engines import FakeArgoCd, FakeFlux
from tests.fake_gitea import FakeGitea, first_commit
from tests.unit.hooks.cluster.api_server import ApiServer
from tests.unit.hooks.cluster.conftest import connect

SOURCE, TARGET = "cluster1-azure", "cluster2-aws"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: video
  namespace: shop
  annotations:
    transition.dcnlab.ssu.ac.kr/cluster-policy: "true"
    transition.dcnlab.ssu.ac.kr/packageName: video
spec:
  replicas: 1
  selector:
    matchLabels: {app: video}
  template:
    metadata:
      labels: {app: video}
    spec:
      containers:
        - name: app  # the one that moves
          image: registry.example/video:1
"""
SERVICE = "kind: Service\nmetadata: {name: video, namespace: shop}\n"


@dataclass(frozen=True)
class Bare:
    """A repository on the server's own disk."""

    folder: Path
    url: str

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", self.folder, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def head(self) -> str:
        return self.git("rev-parse", "main")

    def files(self, revision: str = "main", *, path: str = "") -> dict[str, str]:
        """Below `path` at a revision."""
        listed = self.git("ls-tree", "-r", "--name-only", revision, "--", path or ".")
        return {name: self.git("show", f"{revision}:{name}") for name in listed.splitlines()}


@dataclass
class Site:
    """Both repositories, and how often engines were given a turn."""

    source: Bare
    dr: Bare
    api: ApiServer
    argo: FakeArgoCd
    flux: FakeFlux

    def step(self, _seconds: float = 0) -> None:
        self.argo.step()
        self.flux.step()


def git_connection(endpoint: GitEndpoint, url: str, **extra: str) -> str:
    return json.dumps(
        {
            "conn_type": "git",
            "host": url,
            "login": endpoint.username,
            "password": endpoint.password,
            "extra": {"ca_file": str(endpoint.ca_file), **extra},
        }
    )


def make_bare(endpoint: GitEndpoint, files: dict[str, str], *, folder: Path) -> Bare:
    url = endpoint.new_repository()
    bare = Bare(endpoint.server.root / url.rsplit("/", 1)[1], url)
    git = ("git", "-C", folder, "-c", "user.name=seed", "-c", "user.email=seed@localhost")
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "seed"], check=True)
    subprocess.run([*git, "push", "-q", bare.folder, "main"], check=True)
    return bare


@pytest.fixture
def site(
    git_server: GitEndpoint,
    httpserver: HTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    source = make_bare(
        git_server,
        {"video/deployment.yaml": DEPLOYMENT, "video/service.yaml": SERVICE, "other/a.yaml": "a"},
        folder=tmp_path / "source",
    )
    dr = make_bare(git_server, {"README.md": "# dr\n"}, folder=tmp_path / "dr")
    for conn_id, bare in ((f"{SOURCE}-GIT", source), ("DR-GIT", dr)):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", git_connection(git_server, bare.url))
    for cluster in (SOURCE, TARGET):
        connect(monkeypatch, cluster, httpserver.url_for("/"))
    api = ApiServer()

    def checkout(_repo: str, revision: str, path: str) -> dict[str, str] | None:
        return dr.files(revision, path=path) or None

    site = Site(
        source,
        dr,
        api,
        FakeArgoCd(api, checkout=checkout),
        FakeFlux(api, head=lambda _repo, _branch: dr.head(), checkout=checkout),
    )
    httpserver.expect_request(re.compile(".*")).respond_with_handler(api)
    monkeypatch.setattr(Poll, "__init__", _poll_that_steps(site))
    yield site
    httpserver.check()


def _poll_that_steps(site: Site):  # noqa: ANN202 - an __init__ in another's place
    """Waiting gives the engines a turn, and costs no time."""
    original = Poll.__init__

    def init(self: Poll) -> None:
        original(self, sleep=site.step)

    return init


@pytest.fixture
def gitea(
    git_server: GitEndpoint, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeGitea]:
    """Its API; the connection `dr-git` leads to a repository that is not there yet."""
    made = FakeGitea(git_server.server.root, git_server.username, git_server.password)
    httpserver.expect_request(re.compile("^/api/v1/.*")).respond_with_handler(made)
    url = f"{git_server.url}/nephio/dr.git"
    extra = {"gitea_url": httpserver.url_for("/").rstrip("/")}
    monkeypatch.setenv("AIRFLOW_CONN_DR-GIT", git_connection(git_server, url, **extra))
    yield made
    httpserver.check()
    for folder in git_server.server.root.glob("*/*.git"):
        subprocess.run(["rm", "-rf", folder], check=True)


__all__ = ["first_commit"]
