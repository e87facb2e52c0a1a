"""Pushes through the lab's Git server are never lost, and refused where they would lose others'."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.git_client import GitClient, GitError
from lab.services.loopback import GitEndpoint

PUSHERS = 8
RETRYABLE = ("failed to update ref", "fetch first", "stale info", "cannot lock ref")


@pytest.fixture
def git(git_server: GitEndpoint) -> GitClient:
    return GitClient(
        username=git_server.username, password=git_server.password, ca_file=git_server.ca_file
    )


def commit(git: GitClient, *, clone: Path, name: str, content: bytes = b"x") -> str:
    (clone / name).write_bytes(content)
    git.run("add", name, folder=clone)
    git.run("commit", "--quiet", "-m", name, folder=clone)
    return git.run("rev-parse", "HEAD", folder=clone).strip()


def clone_of(url: str, *, git: GitClient, folder: Path) -> Path:
    git.run("clone", "--quiet", url, folder)
    git.run("checkout", "--quiet", "-B", "main", folder=folder)
    return folder


def push(git: GitClient, *, clone: Path) -> bool:
    try:
        git.run("push", "--quiet", "origin", "main", folder=clone)
    except GitError as error:
        if not any(each in str(error) for each in RETRYABLE):
            raise
        return False
    return True


def rebase(git: GitClient, *, clone: Path) -> None:
    git.run("pull", "--quiet", "--rebase", "origin", "main", folder=clone)


def test_of_eight_pushes_at_once_one_wins_and_none_is_lost(
    git: GitClient, git_server: GitEndpoint, tmp_path: Path
) -> None:
    url = git_server.new_repository()
    seed = clone_of(url, git=git, folder=tmp_path / "seed")
    commit(git, clone=seed, name="seed")
    assert push(git, clone=seed)
    left = {
        number: clone_of(url, git=git, folder=tmp_path / str(number)) for number in range(PUSHERS)
    }
    for number, clone in left.items():
        commit(git, clone=clone, name=f"from-{number}")
    with ThreadPoolExecutor(PUSHERS) as pool:
        while left:
            won = dict(
                zip(
                    left, pool.map(lambda clone: push(git, clone=clone), left.values()), strict=True
                )
            )
            assert sum(won.values()) == 1
            left = {number: clone for number, clone in left.items() if not won[number]}
            list(pool.map(lambda clone: rebase(git, clone=clone), left.values()))
    git.run("pull", "--quiet", "origin", "main", folder=seed)
    assert {file.name for file in seed.glob("from-*")} == {f"from-{n}" for n in range(PUSHERS)}


def test_a_push_that_would_drop_commits_is_refused(
    git: GitClient, git_server: GitEndpoint, tmp_path: Path
) -> None:
    clone = clone_of(git_server.new_repository(), git=git, folder=tmp_path / "clone")
    commit(git, clone=clone, name="kept")
    assert push(git, clone=clone)
    git.run("commit", "--quiet", "--amend", "-m", "other", folder=clone)
    with pytest.raises(GitError, match="non-fast-forward"):
        git.run("push", "--quiet", "--force", "origin", "main", folder=clone)
    with pytest.raises(GitError, match="deletion"):
        git.run("push", "--quiet", "--delete", "origin", "main", folder=clone)


def test_a_push_larger_than_gits_buffer_arrives(
    git: GitClient, git_server: GitEndpoint, tmp_path: Path
) -> None:
    url = git_server.new_repository()
    clone = clone_of(url, git=git, folder=tmp_path / "clone")
    content = bytes(range(256)) * 20000 + tmp_path.name.encode()
    git.run("config", "core.compression", "0", folder=clone)  # 5 MB: sent in chunks
    sha = commit(git, clone=clone, name="large", content=content)
    assert push(git, clone=clone)
    again = clone_of(url, git=git, folder=tmp_path / "again")
    assert git.run("rev-parse", "HEAD", folder=again).strip() == sha
    assert (again / "large").read_bytes() == content


def test_a_wrong_password_is_refused_and_not_repeated(
    git_server: GitEndpoint, tmp_path: Path
) -> None:
    wrong = GitClient(
        username=git_server.username, password="not-this-one", ca_file=git_server.ca_file
    )
    with pytest.raises(GitError) as refused:
        wrong.run("clone", git_server.new_repository(), tmp_path / "clone")
    assert "Authentication failed" in str(refused.value) or "terminal prompts" in str(refused.value)
    assert "not-this-one" not in str(refused.value)


def test_a_repository_outside_of_the_root_is_not_served(
    git: GitClient, git_server: GitEndpoint
) -> None:
    with pytest.raises(GitError):
        git.run("ls-remote", f"{git_server.url}/%2e%2e/%2e%2e/etc")
