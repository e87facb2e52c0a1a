"""The repository `dr` is made when it is missing, by Gitea's API, and then used by Git."""

import logging
from functools import partial
from pathlib import Path

import pytest
from werkzeug import Response

from airflow_transition.core.policy_promotion import Promotion
from airflow_transition.hooks.git_errors import FolderNotFoundError, RepositoryNotFoundError
from airflow_transition.hooks.gitea import GiteaHook
from airflow_transition.hooks.gitea_client import (
    GiteaDeniedError,
    GiteaRefusedError,
    GiteaUnreachableError,
    RepositoryName,
)
from airflow_transition.hooks.gitops import GitOpsHook
from lab.services.loopback import GitEndpoint
from tests.fake_gitea import FakeGitea, reply

from .conftest import git_connection

TRAILERS = {"Transition-Move": "1"}
BRANCH = Promotion().branch


@pytest.fixture
def hook(gitea: FakeGitea) -> GitOpsHook:
    create = partial(GiteaHook("dr-git").ensure_repository, branch=BRANCH)
    return GitOpsHook("dr-git", branch=BRANCH, create=create)


def commit(hook: GitOpsHook) -> str:
    def change(root: Path) -> None:
        (root / "a.yaml").write_text("a")

    return hook.commit(change, message="Add", trailers=TRAILERS).sha


def test_a_missing_repository_is_made_private_by_the_first_commit_and_read_as_empty_before(
    hook: GitOpsHook, gitea: FakeGitea
) -> None:
    assert hook.read_all(["video"]) == {}
    assert hook.find(TRAILERS) is None
    with pytest.raises(FolderNotFoundError):
        hook.read("video")
    assert gitea.private == {}
    sha = commit(hook)
    assert gitea.private == {"nephio/dr": True}
    assert hook.find(TRAILERS) == sha
    assert ("POST", "/api/v1/orgs/nephio/repos") in gitea.calls


def test_it_is_made_once(hook: GitOpsHook, gitea: FakeGitea) -> None:
    gitea_hook = GiteaHook("dr-git")
    assert gitea_hook.ensure_repository(branch=BRANCH) is True
    assert gitea_hook.ensure_repository(branch=BRANCH) is False
    assert [call for call in gitea.calls if call[0] == "POST"] == [
        ("POST", "/api/v1/orgs/nephio/repos")
    ]


def test_the_users_own_repository_is_made_as_the_users(
    gitea: FakeGitea, git_server: GitEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{git_server.url}/{git_server.username}/dr.git"
    assert GiteaHook("dr-git", repo_url=url).ensure_repository(branch=BRANCH)
    assert ("POST", "/api/v1/user/repos") in gitea.calls


def test_without_leave_to_make_it_a_missing_repository_is_an_error(gitea: FakeGitea) -> None:
    with pytest.raises(RepositoryNotFoundError):
        commit(GitOpsHook("dr-git", branch=BRANCH))
    assert gitea.calls == []


def test_a_repository_that_these_credentials_may_not_see_is_told(gitea: FakeGitea) -> None:
    gitea.private["nephio/dr"] = True
    gitea.hidden.add("nephio/dr")
    with pytest.raises(GiteaDeniedError, match="may not see it"):
        GiteaHook("dr-git").ensure_repository(branch=BRANCH)


def test_an_owner_that_is_not_there_is_told(gitea: FakeGitea) -> None:
    gitea.organisations.clear()
    with pytest.raises(GiteaRefusedError, match="no such organisation"):
        GiteaHook("dr-git").ensure_repository(branch=BRANCH)


def test_a_refused_password_stays_secret(
    gitea: FakeGitea,
    git_server: GitEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    gitea.password = "another"
    with pytest.raises(GiteaDeniedError, match="write:repository") as caught:
        GiteaHook("dr-git").ensure_repository(branch=BRANCH)
    assert git_server.password not in f"{caught.value}{caplog.text}"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(503, {"message": "starting"}), GiteaUnreachableError),
        (reply(429, {}), GiteaUnreachableError),
        (reply(422, {"message": "name is reserved"}), GiteaRefusedError),
        (Response("<html>login</html>", status=302), GiteaRefusedError),
    ],
)
def test_whatever_else_is_answered_has_its_name(
    gitea: FakeGitea, answer: Response, error: type[Exception]
) -> None:
    gitea.fails = answer
    with pytest.raises(error):
        GiteaHook("dr-git").ensure_repository(branch=BRANCH)


def test_a_server_that_is_away_is_temporary(
    git_server: GitEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"gitea_url": "http://127.0.0.1:1"}
    monkeypatch.setenv(
        "AIRFLOW_CONN_DR-GIT",
        git_connection(git_server, f"{git_server.url}/nephio/dr.git", **extra),
    )
    with pytest.raises(GiteaUnreachableError, match="does not answer"):
        GiteaHook("dr-git").ensure_repository(branch=BRANCH)


@pytest.mark.parametrize(
    ("url", "gitea_url", "api", "path"),
    [
        ("https://h:3000/a/b.git", None, "https://h:3000/api/v1", "/repos/a/b"),
        ("https://h/git/a/b", None, "https://h/git/api/v1", "/repos/a/b"),
        ("git@h:a/b.git", "https://h:3000/", "https://h:3000/api/v1", "/repos/a/b"),
        ("ssh://git@h:22/a/b.git", "https://h", "https://h/api/v1", "/repos/a/b"),
    ],
)
def test_the_api_is_found_by_the_repositorys_url(
    url: str, gitea_url: str | None, api: str, path: str
) -> None:
    found = RepositoryName.of(url, gitea_url=gitea_url, where="here")
    assert (found.api_url, found.path) == (api, path)


@pytest.mark.parametrize("url", ["git@h:a/b.git", "https://h/b.git", "https://h"])
def test_a_url_that_does_not_say_where_the_api_is_is_refused(url: str) -> None:
    with pytest.raises(GiteaRefusedError, match="gitea_url"):
        RepositoryName.of(url, gitea_url=None, where="here")
