"""Read packages in a GitOps repository, and commit promotions to it so that no push is lost.

Credentials are those of the Airflow connection of type git, and reach git by its environment alone:
they stand in no command line, no URL and no file of the clone. The provider's hook sets them in the
process's own environment too; there they are taken out again at once, so that several repositories
can be read at a time.
"""

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Lock
from urllib.parse import urlsplit

from airflow.providers.git.hooks.git import GitHook
from airflow.sdk import BaseHook

from airflow_transition.core.errors import PermanentError
from airflow_transition.hooks.connection import find_connection
from airflow_transition.hooks.git_clone import REVERTS, Author, GitClone, Remote, cloned
from airflow_transition.hooks.git_errors import (
    CommitNotFoundError,
    FolderNotFoundError,
    PushRaceError,
    RepositoryNotFoundError,
    RevertConflictError,
)
from airflow_transition.hooks.git_files import read_folder, read_folders, read_holding

_ATTEMPTS = 15
"""The unluckiest of 8 needed 7."""
_LONGEST_PAUSE = 1.0
_PROTOCOLS = "https:http:ssh:file"
"""Not `ext`, by which a URL runs a command."""

_TRAILER_KEY = re.compile(r"^[A-Za-z][A-Za-z0-9-]*$")
_SHA = re.compile(r"^[0-9a-f]{40}$")
_environment = Lock()
"""Held while the process's environment is changed and put back."""


class GitConnectionError(PermanentError):
    """The Airflow connection of type git is not usable as it is."""


class InvalidTrailerError(PermanentError):
    """A trailer that git could not read back."""


@dataclass(frozen=True)
class Commit:
    """A commit in the branch; `changed` says whether this very call made it."""

    sha: str
    changed: bool


class GitOpsHook(BaseHook):
    """A GitOps repository behind an Airflow connection of type git.

    The connection's extra may hold, besides the git provider's own fields, `ca_file` (the CA of an
    https server) and `branch` (default: the one that the repository's HEAD names).

    :param git_conn_id: the connection; its host is the repository's URL.
    :param repo_url: another repository on the same server.
    :param branch: another branch than the connection's.
    :param create: makes the repository when it is missing; until then it is read as an empty one.
    :param author: who the commits are from.
    :param timeout: for each single git command.
    :param sleep: waits between two tries of a push; tests pass their own.
    """

    def __init__(
        self,
        git_conn_id: str,
        *,
        repo_url: str | None = None,
        branch: str | None = None,
        create: Callable[[], object] | None = None,
        author: Author | None = None,
        timeout: timedelta = timedelta(seconds=60),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self.git_conn_id = git_conn_id
        self.repo_url = repo_url
        self.branch = branch
        self.create = create
        self.author = author or Author()
        self.timeout = timeout
        self.sleep = sleep

    @property
    def url(self) -> str:
        """The repository's URL as it may be shown: without a user name."""
        return _without_userinfo(
            self.repo_url or str(self.get_connection(self.git_conn_id).host or "")
        )

    def read(self, folder: str) -> dict[str, str]:
        """Manifests below `folder` at the branch's head, by their path from the root."""
        try:
            with self._clone(_only(folder)) as clone:
                return read_folder(clone.root, folder)
        except RepositoryNotFoundError as error:
            self._refuse_missing(error)
            raise FolderNotFoundError(
                "the repository is not made yet", where=folder, do="nothing: a promotion makes it"
            ) from error

    def read_all(self, folders: Sequence[str]) -> dict[str, dict[str, str]]:
        """Manifests of several folders by folder, from one clone; a missing folder is left out."""
        try:
            with self._clone(tuple(folders)) as clone:
                return read_folders(clone.root, folders)
        except RepositoryNotFoundError as error:
            self._refuse_missing(error)
            return {}

    def read_holding(self, text: str) -> dict[str, str]:
        """Manifests of the whole repository that hold `text`, by their path from the root."""
        with self._clone(None) as clone:
            return read_holding(clone.root, text)

    def head(self) -> str:
        """The branch's newest commit."""
        with self._clone(()) as clone:
            return clone.head()

    def find(self, trailers: Mapping[str, str]) -> str | None:
        """The newest commit that carries all `trailers` and was not reverted since."""
        try:
            with self._clone(()) as clone:
                return _find_deeper(clone, trailers)
        except RepositoryNotFoundError as error:
            self._refuse_missing(error)
            return None

    def commit(
        self,
        change: Callable[[Path], None],
        *,
        message: str,
        trailers: Mapping[str, str],
        folder: str | None = None,
        folders: Sequence[str] = (),
        proposal: str | None = None,
    ) -> Commit:
        """Apply `change` to a clone, commit and push it; once, however often it is called.

        The `trailers` together are the commit's identity: where the branch has one that carries
        them all, that is the result. `change` gets the clone's root, and is applied anew to the new
        head when somebody else pushed first. A change that changes nothing is a success too.
        With a `proposal` it goes onto a new branch of that name, for a person to merge; one that is
        there already stays as it is.
        With `folder` or `folders`, only they are in the clone: quicker in a large repository.
        """
        _check_trailers(trailers)

        def prepare(clone: GitClone) -> str:
            change(clone.root)
            clone.stage()
            return message

        wanted = tuple(folders) or _only(folder)
        land = partial(self._land, prepare, trailers=trailers, folders=wanted, proposal=proposal)
        try:
            return land()
        except RepositoryNotFoundError as error:
            self._refuse_missing(error)
        if self.create is not None:
            self.create()
        return land()

    def revert(self, sha: str, *, trailers: Mapping[str, str] | None = None) -> Commit:
        """Undo the commit `sha` by a new one, once."""
        identity = {**(trailers or {}), REVERTS: sha}
        _check_trailers(identity)

        def prepare(clone: GitClone) -> str:
            _bring(clone, sha)
            subject = clone.run("log", "-1", "--format=%s", sha)
            if not clone.succeeds("revert", "--no-commit", sha):
                raise RevertConflictError(
                    "later commits changed the same lines",
                    where=clone.remote.where,
                    found=f"commit {sha}",
                    do="revert it by hand",
                )
            return f'Revert "{subject}"\n\nThis reverts commit {sha}.'

        return self._land(prepare, trailers=identity, folders=())

    def _refuse_missing(self, error: RepositoryNotFoundError) -> None:
        if self.create is None:
            raise error

    def _land(
        self,
        prepare: Callable[[GitClone], str],
        *,
        trailers: Mapping[str, str],
        folders: Sequence[str] | None,
        proposal: str | None = None,
    ) -> Commit:
        with self._clone(folders) as clone:
            for attempt in range(_ATTEMPTS):
                if attempt:
                    self.sleep(_pause(attempt))
                    clone.renew()
                commit = self._try(clone, prepare, trailers=trailers, proposal=proposal)
                if commit is not None:
                    return commit
        raise PushRaceError(
            "others pushed first, each time",
            where=clone.remote.where,
            found=f"{_ATTEMPTS} tries",
            do="nothing: the next attempt tries again",
        )

    def _try(
        self,
        clone: GitClone,
        prepare: Callable[[GitClone], str],
        *,
        trailers: Mapping[str, str],
        proposal: str | None = None,
    ) -> Commit | None:
        """The commit, or None if somebody else was first."""
        before = clone.find(trailers) or (clone.head_of(proposal) if proposal else None)
        if before is not None:
            return Commit(before, changed=False)
        message = prepare(clone)
        if not clone.is_changed():
            return Commit(_find_deeper(clone, trailers) or clone.head(), changed=False)
        sha = clone.commit(_with_trailers(message, trailers), author=self.author)
        if not clone.push(branch=proposal):
            return None
        if proposal is None:
            clone.verify(sha)
        self.log.info("Pushed %s to %s", sha, clone.remote.where)
        return Commit(sha, changed=True)

    @contextmanager
    def _clone(self, folders: Sequence[str] | None) -> Iterator[GitClone]:
        with self._remote() as remote, cloned(remote, folders=folders) as clone:
            yield clone

    @contextmanager
    def _remote(self) -> Iterator[Remote]:
        extra = find_connection(self.git_conn_id, kind="git").extra_dejson
        try:
            hook = GitHook(self.git_conn_id, repo_url=self.repo_url)
        except ValueError as error:
            raise GitConnectionError(
                str(error), where=f"connection {self.git_conn_id!r}", do="correct its fields"
            ) from error
        url = _without_userinfo(str(hook.repo_url or ""))
        if not url:
            raise GitConnectionError(
                "no repository URL",
                where=f"connection {self.git_conn_id!r}",
                do="put the repository's URL into its host field",
            )
        with _credentials(hook) as credentials:
            environment = {**credentials, **_own_environment(extra.get("ca_file"))}
            yield Remote(url, self.branch or extra.get("branch"), environment, self.timeout)


@contextmanager
def _credentials(hook: GitHook) -> Iterator[dict[str, str]]:
    """What git needs in its environment; the files that it names live as long as the context."""
    with ExitStack() as stack:
        with _environment, _environment_kept():
            stack.enter_context(hook.configure_hook_env())
            credentials = dict(hook.env)
        try:
            yield credentials
        finally:
            with _environment, _environment_kept():
                stack.close()


@contextmanager
def _environment_kept() -> Iterator[None]:
    """The process's own environment is afterwards what it was before."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _only(folder: str | None) -> Sequence[str] | None:
    return None if folder is None or PurePosixPath(folder) == PurePosixPath() else (folder,)


def _own_environment(ca_file: str | None) -> dict[str, str]:
    trust = {"GIT_SSL_CAINFO": os.path.expanduser(ca_file)} if ca_file else {}  # noqa: PTH111
    return {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
        "GIT_ASKPASS": "",
        **trust,
    }


def _without_userinfo(url: str) -> str:
    """A URL that may stand in a message; GitHook keeps a user name without a password in it."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return url


def _pause(attempt: int) -> float:
    longest = min(0.05 * 2**attempt, _LONGEST_PAUSE)
    return random.uniform(0.01, longest)  # noqa: S311 - keeps pushers apart, guards nothing


def _find_deeper(clone: GitClone, trailers: Mapping[str, str]) -> str | None:
    found = clone.find(trailers)
    if found is None and clone.is_shallow():
        clone.deepen()
        found = clone.find(trailers)
    return found


def _bring(clone: GitClone, sha: str) -> None:
    """Have the commit and its parent in the clone, if the branch has them at all."""
    known = _SHA.fullmatch(sha) is not None
    if known and not clone.has(sha) and clone.is_shallow():
        clone.deepen()
    if known and not clone.has(sha) and clone.is_shallow():
        clone.deepen(whole=True)
    if not known or not clone.has(sha):
        raise CommitNotFoundError(
            "the branch has no such commit",
            where=clone.remote.where,
            found=sha,
            do="check whether somebody rewrote the branch",
        )


def _check_trailers(trailers: Mapping[str, str]) -> None:
    for key, value in trailers.items():
        if not _TRAILER_KEY.fullmatch(key) or not value.strip() or "\n" in value:
            raise InvalidTrailerError(
                "not a trailer that git reads back",
                where=key,
                found=value[:80],
                do="give a word of letters, digits and dashes, and one line of text",
            )


def _with_trailers(message: str, trailers: Mapping[str, str]) -> str:
    lines = "\n".join(f"{key}: {value}" for key, value in trailers.items())
    return f"{message.strip()}\n\n{lines}\n" if lines else f"{message.strip()}\n"
