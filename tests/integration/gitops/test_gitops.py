import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks import git_errors
from airflow_transition.hooks.git_clone import Author
from airflow_transition.hooks.gitops import GitOpsHook, InvalidTrailerError
from lab.services.loopback import GitEndpoint

from . import committer
from .conftest import MANIFEST, Connect, Repository

RUN = {"Transition-Restore-Point": "cluster1/shop/video/20261123T030447Z", "Transition-Run": "r1"}
COMMITTERS = 8


@pytest.fixture
def hook(repository: Repository, connect: Connect) -> GitOpsHook:
    return GitOpsHook(connect(repository.endpoint, repository.url))


def promote(image: str) -> Callable[[Path], None]:
    return lambda root: (root / MANIFEST).write_text(f"image: {image}\n") and None


def start(
    conn_id: str, name: str, *flag: Path, temporary: Path | None = None
) -> subprocess.Popen[str]:
    """A committer; one that is to be killed leaves its clone in `temporary`."""
    folder = {"TMPDIR": str(temporary)} if temporary else {}
    return subprocess.Popen(
        [sys.executable, committer.__file__, conn_id, name, *flag],
        env={**os.environ, **folder},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.02)


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, 9)
    process.communicate()


def test_a_package_is_read_at_the_branchs_head(hook: GitOpsHook) -> None:
    assert hook.read("packages/video") == {MANIFEST: "image: registry/video:1\n"}


def test_a_promotion_is_one_commit_with_its_trailers_and_author(
    repository: Repository, connect: Connect
) -> None:
    author = Author("Release Robot", "robot@example.org")
    hook = GitOpsHook(connect(repository.endpoint, repository.url), author=author)
    commit = hook.commit(promote("registry/video@sha256:1"), message="Promote video", trailers=RUN)
    assert commit.changed
    assert commit.sha == repository.head()
    assert repository.show() == "image: registry/video@sha256:1"
    shown = repository.git("log", "-1", "--format=%an <%ae>|%s|%(trailers:only,unfold)", "main")
    trailers = "\n".join(f"{key}: {value}" for key, value in RUN.items())
    assert shown == f"Release Robot <robot@example.org>|Promote video|{trailers}"


def test_a_commit_in_one_folder_leaves_the_others_as_they_are(
    make_repository: Callable[..., Repository], connect: Connect
) -> None:
    other = "packages/other/deployment.yaml"
    repository = make_repository(files={MANIFEST: "image: 1\n", other: "image: 2\n"})
    hook = GitOpsHook(connect(repository.endpoint, repository.url))

    def change(root: Path) -> None:
        assert not (root / other).exists()
        (root / MANIFEST).write_text("image: new\n")

    promotion = hook.commit(change, message="Promote", trailers=RUN, folder="packages/video")
    assert (repository.show(), repository.show(other)) == ("image: new", "image: 2")
    hook.revert(promotion.sha)
    assert (repository.show(), repository.show(other)) == ("image: 1", "image: 2")


def test_a_repeated_task_finds_its_commit_also_under_those_of_others(
    hook: GitOpsHook, repository: Repository, tmp_path: Path
) -> None:
    first = hook.commit(promote("new"), message="Promote", trailers=RUN)
    hook.commit(promote("newer"), message="Other", trailers={"Transition-Run": "r2"})
    repository.commit_empty(50, folder=tmp_path / "others")
    again = hook.commit(promote("new"), message="Promote", trailers=RUN)
    assert (again.sha, again.changed) == (first.sha, False)
    assert hook.find(RUN) == first.sha
    assert repository.show() == "image: newer"


def test_a_change_that_changes_nothing_is_a_success(
    hook: GitOpsHook, repository: Repository
) -> None:
    before = repository.head()
    commit = hook.commit(lambda _root: None, message="Nothing", trailers=RUN)
    assert (commit.sha, commit.changed) == (before, False)


def test_a_revert_restores_every_byte_and_happens_once(
    hook: GitOpsHook, repository: Repository
) -> None:
    before = repository.git("rev-parse", "main^{tree}")
    promotion = hook.commit(promote("new"), message="Promote video", trailers=RUN)
    reverted = hook.revert(promotion.sha, trailers={"Transition-Run": "r1"})
    again = hook.revert(promotion.sha, trailers={"Transition-Run": "r1"})
    assert repository.git("rev-parse", "main^{tree}") == before
    assert (again.sha, again.changed) == (reverted.sha, False)
    assert repository.subjects()[0] == 'Revert "Promote video"'


def test_what_was_reverted_can_be_promoted_again(hook: GitOpsHook, repository: Repository) -> None:
    first = hook.commit(promote("new"), message="Promote", trailers=RUN)
    hook.revert(first.sha)
    second = hook.commit(promote("new"), message="Promote", trailers=RUN)
    assert second.changed
    assert second.sha != first.sha
    assert repository.show() == "image: new"


def test_a_revert_over_later_changes_of_the_same_lines_is_refused(hook: GitOpsHook) -> None:
    first = hook.commit(promote("one"), message="One", trailers={"Transition-Run": "1"})
    hook.commit(promote("two"), message="Two", trailers={"Transition-Run": "2"})
    with pytest.raises(git_errors.RevertConflictError, match=first.sha):
        hook.revert(first.sha)


def test_a_commit_deep_in_the_past_can_be_reverted(
    hook: GitOpsHook, repository: Repository, tmp_path: Path
) -> None:
    first = hook.commit(promote("new"), message="Promote", trailers=RUN)
    repository.commit_empty(350, folder=tmp_path / "others")
    hook.revert(first.sha)
    assert repository.show() == "image: registry/video:1"


def test_an_unknown_commit_cannot_be_reverted(hook: GitOpsHook) -> None:
    for sha in ("0" * 40, "HEAD", "--help"):
        with pytest.raises(git_errors.CommitNotFoundError):
            hook.revert(sha)


def test_eight_committers_at_once_all_succeed_and_no_push_is_lost(
    repository: Repository, connect: Connect
) -> None:
    conn_id = connect(repository.endpoint, repository.url)
    processes = [start(conn_id, f"run-{number}") for number in range(COMMITTERS)]
    told = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * COMMITTERS, told
    lines = repository.show().splitlines()[1:]
    assert sorted(lines) == sorted(f"run-{number}" for number in range(COMMITTERS))
    assert len(repository.subjects()) == 1 + COMMITTERS


def test_a_committer_killed_before_its_push_leaves_nothing_and_may_be_repeated(
    repository: Repository, connect: Connect, tmp_path: Path
) -> None:
    conn_id = connect(repository.endpoint, repository.url)
    before = repository.head()
    killed = start(conn_id, "run-1", tmp_path / "applied", temporary=tmp_path)
    wait_until((tmp_path / "applied").exists)
    kill(killed)
    assert repository.head() == before
    out, err = start(conn_id, "run-1").communicate(timeout=60)
    assert out.endswith(f"{repository.head()} True\n"), err


def test_a_committer_killed_after_its_push_finds_its_commit_when_repeated(
    repository: Repository, connect: Connect, tmp_path: Path
) -> None:
    conn_id = connect(repository.endpoint, repository.url)
    before = repository.head()
    killed = start(conn_id, "run-1", temporary=tmp_path)
    wait_until(lambda: repository.head() != before)
    kill(killed)
    out, err = start(conn_id, "run-1").communicate(timeout=60)
    assert out.endswith(f"{repository.head()} False\n"), err
    assert repository.show().splitlines()[1:] == ["run-1"]


def test_a_wrong_password_is_permanent_and_shown_nowhere(
    repository: Repository, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    hook = GitOpsHook(connect(repository.endpoint, repository.url, password="not-this-one"))
    with pytest.raises(git_errors.GitAuthenticationError) as raised:
        hook.read(".")
    assert isinstance(raised.value, PermanentError)
    assert "not-this-one" not in f"{raised.value} {raised.value.__cause__!r} {caplog.text}"


def test_the_password_stands_in_no_file_of_the_clone(
    hook: GitOpsHook, repository: Repository
) -> None:
    secret = repository.endpoint.password.encode()

    def look(root: Path) -> None:
        files = [path for path in root.rglob("*") if path.is_file()]
        assert files
        assert not [path for path in files if secret in path.read_bytes()]

    hook.commit(look, message="Look", trailers=RUN)


def test_credentials_in_the_url_are_not_shown(repository: Repository, connect: Connect) -> None:
    url = repository.url.replace("https://", "https://someone:hidden-word@") + "-missing"
    hook = GitOpsHook(connect(repository.endpoint, url))
    with pytest.raises(git_errors.RepositoryNotFoundError) as raised:
        hook.read(".")
    assert "hidden-word" not in f"{raised.value} {raised.value.__cause__!r}"
    assert "someone" not in str(raised.value)


def test_a_server_that_is_down_is_temporary(
    make_git: Callable[[], GitEndpoint],
    make_repository: Callable[..., Repository],
    connect: Connect,
) -> None:
    repository = make_repository(make_git())
    hook = GitOpsHook(connect(repository.endpoint, repository.url))
    repository.endpoint.server.kill()
    with pytest.raises(git_errors.GitUnreachableError) as raised:
        hook.commit(promote("new"), message="Promote", trailers=RUN)
    assert isinstance(raised.value, TemporaryError)
    repository.endpoint.server.start()
    repository.endpoint.server.wait_ready()
    assert hook.commit(promote("new"), message="Promote", trailers=RUN).changed


def test_a_server_whose_certificate_is_not_known_says_where_the_ca_belongs(
    repository: Repository, connect: Connect
) -> None:
    hook = GitOpsHook(connect(repository.endpoint, repository.url, ca_file="/etc/hostname"))
    with pytest.raises(git_errors.GitCertificateError, match="ca_file"):
        hook.read(".")


def test_a_missing_branch_and_an_empty_repository_are_named(
    repository: Repository, connect: Connect
) -> None:
    empty = repository.endpoint.new_repository()
    for url, extra in ((repository.url, {"branch": "prod"}), (empty, {})):
        hook = GitOpsHook(connect(repository.endpoint, url, **extra))
        with pytest.raises(git_errors.BranchMissingError, match=r"no such branch|no commit"):
            hook.read(".")


def test_another_branch_is_taken_where_the_connection_names_it(
    repository: Repository, connect: Connect
) -> None:
    repository.git("branch", "prod", "main")
    before = repository.head()
    hook = GitOpsHook(connect(repository.endpoint, repository.url, branch="prod"))
    commit = hook.commit(promote("new"), message="Promote", trailers=RUN)
    assert repository.git("rev-parse", "prod") == commit.sha
    assert repository.head() == before


def test_a_protected_branch_is_named(repository: Repository, connect: Connect) -> None:
    declining = repository.bare / "hooks" / "pre-receive"
    declining.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    declining.chmod(0o755)
    hook = GitOpsHook(connect(repository.endpoint, repository.url))
    with pytest.raises(git_errors.BranchProtectedError, match="GH006"):
        hook.commit(promote("new"), message="Promote", trailers=RUN)


def test_a_push_that_always_loses_ends_with_a_temporary_error(
    repository: Repository, connect: Connect
) -> None:
    pauses: list[float] = []
    hook = GitOpsHook(connect(repository.endpoint, repository.url), sleep=pauses.append)
    declining = repository.bare / "hooks" / "update"
    declining.write_text("#!/bin/sh\necho 'failed to update ref' >&2\nexit 1\n")
    declining.chmod(0o755)
    with pytest.raises(git_errors.PushRaceError):
        hook.commit(promote("new"), message="Promote", trailers=RUN)
    assert len(pauses) >= 10
    assert max(pauses) <= 1


def test_a_repository_with_a_link_that_leaves_it_is_refused(
    make_repository: Callable[..., Repository], connect: Connect
) -> None:
    repository = make_repository(links={"etc.yaml": "/etc/hostname"})
    hook = GitOpsHook(connect(repository.endpoint, repository.url))
    promotes = partial(hook.commit, promote("x"), message="X", trailers=RUN)
    for use in (partial(hook.read, "."), partial(hook.read, "packages/video"), promotes):
        with pytest.raises(git_errors.PathRefusedError, match=r"etc\.yaml"):
            use()


@pytest.mark.parametrize("trailers", [{"Run": "a\nb"}, {"A b": "c"}, {"Run": " "}])
def test_a_trailer_that_git_cannot_read_back_is_refused(
    trailers: dict[str, str], hook: GitOpsHook
) -> None:
    with pytest.raises(InvalidTrailerError):
        hook.commit(promote("x"), message="X", trailers=trailers)


def test_a_clone_leaves_no_file_behind(
    hook: GitOpsHook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    hook.read(".")
    hook.commit(promote("new"), message="Promote", trailers=RUN)
    assert set(tmp_path.iterdir()) == before


def test_several_folders_are_read_from_one_clone_and_a_missing_one_is_left_out(
    hook: GitOpsHook,
) -> None:
    folder = str(Path(MANIFEST).parent)
    assert hook.read_all([folder, "packages/no-such"]).keys() == {folder}


def test_one_commit_changes_several_folders(hook: GitOpsHook, repository: Repository) -> None:
    def change(root: Path) -> None:
        for name in ("packages/one/a.yaml", "packages/two/b.yaml"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("image: new\n")

    before = repository.subjects()
    hook.commit(change, message="Fail over", trailers=RUN, folders=["packages/one", "packages/two"])
    assert repository.subjects() == ["Fail over", *before]
    assert repository.show("packages/two/b.yaml") == "image: new"


def test_clones_at_a_time_leave_no_credentials_in_the_process(
    hook: GitOpsHook, repository: Repository
) -> None:
    before = dict(os.environ)
    with ThreadPoolExecutor(4) as threads:
        read = [threads.submit(hook.read, "packages/video") for _ in range(4)]
        assert len({tuple(each.result()) for each in read}) == 1
    assert dict(os.environ) == before
