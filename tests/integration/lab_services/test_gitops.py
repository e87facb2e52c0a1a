"""What is in Git is in the cluster a moment later: over faults, once, and no more than that."""

import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from lab.git_client import GitClient
from lab.gitops import GitOpsLoop
from lab.reconciler import GitOpsSettings, Reconciler
from lab.services.loopback import GitEndpoint, Loopback

TOKEN = "cluster-token"
PATIENCE_SECONDS = 30


@dataclass
class FakeApi:
    """A cluster's API server as far as the loop sees it: objects, and what was asked."""

    url: str
    objects: dict[str, dict[str, object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fails: bool = False

    def answer(self, request: Request) -> Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Response(status=401)
        if self.fails:
            return Response("etcd is away", status=500)
        self.asked.append(f"{request.method} {request.path}")
        if request.method == "DELETE":
            return Response(status=200 if self.objects.pop(request.path, None) else 404)
        assert request.method == "PATCH"
        assert request.content_type == "application/apply-patch+yaml"
        assert request.args.to_dict() == {"fieldManager": "gitops", "force": "true"}
        self.objects[request.path] = json.loads(request.data)
        return Response(status=200)


@dataclass(frozen=True)
class Repository:
    """The writer's side: what is committed here is what the loop should bring about."""

    url: str
    git: GitClient
    clone: Path

    def commit(self, *, write: dict[str, str] | None = None, remove: tuple[str, ...] = ()) -> str:
        for name, text in (write or {}).items():
            (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
            (self.clone / name).write_text(text)
        for name in remove:
            (self.clone / name).unlink()
        self.git.run("add", "--all", folder=self.clone)
        self.git.run("commit", "--quiet", "-m", "change", folder=self.clone)
        self.git.run("push", "--quiet", "origin", "main", folder=self.clone)
        return self.git.run("rev-parse", "HEAD", folder=self.clone).strip()


@pytest.fixture
def api(loopback: Loopback) -> Iterator[FakeApi]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(loopback.certificate.cert_file, loopback.certificate.key_file)
    with HTTPServer(host="127.0.0.1", ssl_context=tls) as server:
        api = FakeApi(url=server.url_for("").rstrip("/"))
        server.expect_request(re.compile("/.*")).respond_with_handler(api.answer)
        yield api
        server.check()


def repository_at(git_server: GitEndpoint, *, folder: Path) -> Repository:
    git = GitClient(
        username=git_server.username, password=git_server.password, ca_file=git_server.ca_file
    )
    url = git_server.new_repository()
    git.run("clone", "--quiet", url, folder)
    git.run("checkout", "--quiet", "-B", "main", folder=folder)
    return Repository(url=url, git=git, clone=folder)


@pytest.fixture
def repository(git_server: GitEndpoint, tmp_path: Path) -> Repository:
    return repository_at(git_server, folder=tmp_path / "writer")


def settings_for(repository: Repository, *, api: FakeApi, folder: Path) -> GitOpsSettings:
    return GitOpsSettings(
        cluster="cluster1-azure",
        repository=repository.url,
        username=repository.git.username,
        password=repository.git.password,
        api_url=api.url,
        token=TOKEN,
        ca_file=repository.git.ca_file,
        folder=folder / "loop",
    )


@pytest.fixture
def settings(repository: Repository, api: FakeApi, tmp_path: Path) -> GitOpsSettings:
    found = settings_for(repository, api=api, folder=tmp_path)
    found.folder.mkdir()
    return found


@pytest.fixture
def reconciler(settings: GitOpsSettings) -> Iterator[Reconciler]:
    reconciler = Reconciler(settings)
    yield reconciler
    reconciler.close()


@pytest.fixture
def loop(settings: GitOpsSettings, tmp_path: Path) -> Iterator[GitOpsLoop]:
    loop = GitOpsLoop(settings=settings, state=tmp_path)
    loop.start()
    yield loop
    loop.stop()


def config_map(name: str, *, value: str = "1") -> str:
    metadata = f"{{name: {name}, namespace: shop}}"
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\ndata: {{value: '{value}'}}\n"


def path_of(name: str) -> str:
    return f"/api/v1/namespaces/shop/configmaps/{name}"


def eventually(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def revision_of(loop: GitOpsLoop) -> str | None:
    status = loop.status()
    return status.revision if status else None


def test_an_empty_repository_asks_for_nothing(reconciler: Reconciler, api: FakeApi) -> None:
    assert reconciler.poll()
    assert api.asked == []


def test_a_commit_is_applied_once(
    reconciler: Reconciler, repository: Repository, api: FakeApi
) -> None:
    repository.commit(write={"video/a.yaml": config_map("a"), "web/b.yaml": config_map("b")})
    assert reconciler.poll()
    assert reconciler.poll()
    assert api.asked == [f"PATCH {path_of('a')}", f"PATCH {path_of('b')}"]
    assert api.objects[path_of("a")]["data"] == {"value": "1"}


def test_what_git_no_longer_names_is_removed_and_nothing_else(
    reconciler: Reconciler, repository: Repository, api: FakeApi
) -> None:
    api.objects[path_of("of-others")] = {}
    repository.commit(write={"video/a.yaml": config_map("a"), "video/b.yaml": config_map("b")})
    reconciler.poll()
    repository.commit(remove=("video/b.yaml",))
    assert reconciler.poll()
    assert set(api.objects) == {path_of("a"), path_of("of-others")}


def test_a_failure_is_tried_again_and_forgets_nothing(
    reconciler: Reconciler, repository: Repository, api: FakeApi, settings: GitOpsSettings
) -> None:
    repository.commit(write={"video/a.yaml": config_map("a"), "video/b.yaml": config_map("b")})
    reconciler.poll()
    repository.commit(remove=("video/b.yaml",))
    api.fails = True
    assert not reconciler.poll()
    status = (settings.status_file).read_text()
    assert "etcd is away" in status
    assert TOKEN not in status
    assert settings.password not in status
    api.fails = False
    assert reconciler.poll()
    assert set(api.objects) == {path_of("a")}


def test_one_broken_manifest_changes_nothing_in_the_cluster(
    reconciler: Reconciler, repository: Repository, api: FakeApi
) -> None:
    repository.commit(write={"video/a.yaml": config_map("a"), "video/b.yaml": "a: ["})
    assert not reconciler.poll()
    assert api.asked == []


def test_the_process_follows_git_and_starts_over_where_it_was_killed(
    loop: GitOpsLoop, repository: Repository, api: FakeApi
) -> None:
    first = repository.commit(write={"video/a.yaml": config_map("a")})
    eventually(lambda: revision_of(loop) == first)
    loop.kill()
    assert not loop.ready()
    api.asked.clear()
    loop.start()
    loop.wait_ready()
    assert api.asked == []  # known already
    second = repository.commit(remove=("video/a.yaml",), write={"video/b.yaml": config_map("b")})
    eventually(lambda: revision_of(loop) == second)
    assert set(api.objects) == {path_of("b")}


def test_a_sync_applies_again_and_is_not_lost_in_a_failure(
    loop: GitOpsLoop, repository: Repository, api: FakeApi
) -> None:
    revision = repository.commit(write={"video/a.yaml": config_map("a")})
    eventually(lambda: revision_of(loop) == revision)
    api.objects.clear()
    api.fails = True
    loop.sync()
    eventually(lambda: not loop.ready())
    api.fails = False
    eventually(lambda: path_of("a") in api.objects)


def test_a_restart_of_the_git_server_is_survived(
    make_git: Callable[[], GitEndpoint], api: FakeApi, tmp_path: Path
) -> None:
    git_server = make_git()
    repository = repository_at(git_server, folder=tmp_path / "writer")
    settings = settings_for(repository, api=api, folder=tmp_path)
    loop = GitOpsLoop(settings=settings, state=tmp_path)
    loop.start()
    try:
        loop.wait_ready()
        git_server.server.kill()
        eventually(lambda: not loop.ready())
        git_server.server.start()
        git_server.server.wait_ready()
        revision = repository.commit(write={"video/a.yaml": config_map("a")})
        eventually(lambda: revision_of(loop) == revision)
    finally:
        loop.stop()
    assert path_of("a") in api.objects


def test_no_secret_is_in_a_command_line_or_log(loop: GitOpsLoop, settings: GitOpsSettings) -> None:
    loop.wait_ready()
    seen = Path(f"/proc/{loop.daemon.pid()}/cmdline").read_text() + loop.daemon.log_tail()
    assert settings.password not in seen
    assert TOKEN not in seen
