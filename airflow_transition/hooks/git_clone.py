"""A clone in a temporary folder: shallow, of one branch, with the wanted folders, and gone after.

The depth lets a retried task find its own commit without asking again. There is no blob filter: in
a repository of manifests it saves less than its extra round trip costs (0.73 s against 0.46 s).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from git import Git, GitCommandError

from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.hooks import git_errors
from airflow_transition.hooks.git_files import inside

REVERTS = "Transition-Reverts"

_DEPTH = 100
_DEEPER = 200
_MAX_LOG = 2000
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.autocrlf": "false",
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "http.proactiveAuth": "basic",
}
"""What the worker's own git settings may not change. `proactiveAuth` (git 2.46) spares each command
the round trip to be told 401."""

_LOG_FORMAT = "%H%x1f%(trailers:only,unfold)%x1f%B%x1e"
_HUMAN_REVERT = re.compile(r"^This reverts commit ([0-9a-f]{40})", re.MULTILINE)


@dataclass(frozen=True)
class Author:
    """Who the commits are from."""

    name: str = "airflow-transition"
    email: str = "airflow-transition@localhost"


@dataclass(frozen=True)
class Remote:
    """A branch of a repository, and how git reaches it."""

    url: str
    branch: str | None
    """None: the one that the repository's HEAD names."""
    environment: Mapping[str, str] = field(repr=False)
    timeout: timedelta

    @property
    def where(self) -> str:
        return f"Git {self.url}" + (f" ({self.branch})" if self.branch else "")


@dataclass
class GitClone:
    """The clone at `root`; what git refuses raises by its name."""

    root: Path
    remote: Remote
    branch: str = field(init=False)

    def __post_init__(self) -> None:
        self.branch = self.run("symbolic-ref", "--short", "HEAD")
        if not self.succeeds("rev-parse", "--verify", "--quiet", "HEAD"):
            raise git_errors.BranchMissingError(
                "the repository has no commit",
                where=self.remote.where,
                do="push a first commit to it",
            )
        self._refuse_links_out()

    def check_out(self, folders: Sequence[str]) -> None:
        """Bring these folders too."""
        for folder in folders:
            inside(self.root, folder)
        self.run("sparse-checkout", "set", "--cone", "--end-of-options", *folders)
        self._refuse_links_out()

    def run(self, *arguments: str) -> str:
        """Standard output of a git command in the clone."""
        return _git(*arguments, remote=self.remote, root=self.root)

    def succeeds(self, *arguments: str) -> bool:
        """Whether a git command that needs no network succeeds."""
        try:
            self.run(*arguments)
        except (PermanentError, TemporaryError):
            return False
        return True

    def head(self) -> str:
        return self.run("rev-parse", "HEAD")

    def renew(self) -> None:
        """Forget what was not pushed and take over what others pushed."""
        self._fetch()
        self.run("reset", "--quiet", "--hard", f"origin/{self.branch}")
        self.run("clean", "--quiet", "-ffdx")
        self._refuse_links_out()

    def find(self, trailers: Mapping[str, str]) -> str | None:
        """The newest commit at hand that carries all `trailers` and was not reverted since."""
        undone: set[str] = set()
        for sha, carried, body in self._log():
            undone.update(_HUMAN_REVERT.findall(body))
            if REVERTS in carried:
                undone.add(carried[REVERTS])
            if trailers and sha not in undone and trailers.items() <= carried.items():
                return sha
        return None

    def deepen(self, *, whole: bool = False) -> None:
        """Bring more of the branch's past."""
        self._fetch("--unshallow" if whole else f"--deepen={_DEEPER}")

    def has(self, sha: str) -> bool:
        """Whether the branch holds this commit, and its parent is at hand too."""
        if not self.succeeds("merge-base", "--is-ancestor", sha, "HEAD"):
            return False
        shallow = self.root / ".git" / "shallow"
        return not shallow.exists() or sha not in shallow.read_text().split()

    def is_shallow(self) -> bool:
        return (self.root / ".git" / "shallow").exists()

    def stage(self) -> None:
        """Stage every file of the clone, ignored ones too: nobody but the change wrote any."""
        self.run("add", "--all", "--force", ".")

    def is_changed(self) -> bool:
        """Whether what is staged differs from the head."""
        return not self.succeeds("diff", "--cached", "--quiet")

    def commit(self, message: str, *, author: Author) -> str:
        user = ("-c", f"user.name={author.name}", "-c", f"user.email={author.email}")
        self.run(*user, "commit", "--quiet", "--no-verify", "--cleanup=verbatim", "-m", message)
        return self.head()

    def head_of(self, branch: str) -> str | None:
        """What the server has as another branch; None: no such branch."""
        return next(iter(self.run("ls-remote", "origin", f"refs/heads/{branch}").split()), None)

    def push(self, *, branch: str | None = None) -> bool:
        """Push the head; False when somebody else was first."""
        try:
            self.run("push", "--quiet", "origin", f"HEAD:refs/heads/{branch or self.branch}")
        except (PermanentError, TemporaryError) as error:
            if git_errors.RACE.search(error.found or ""):
                return False
            raise
        return True

    def verify(self, sha: str) -> None:
        """Ask the server again: the branch holds the commit, at its head or below it."""
        listed = self.run("ls-remote", "origin", f"refs/heads/{self.branch}")
        if listed.split()[:1] == [sha]:
            return
        self._fetch()
        if not self.succeeds("merge-base", "--is-ancestor", sha, f"origin/{self.branch}"):
            raise git_errors.PushLostError(
                "the server took the push, and the branch does not hold the commit",
                where=self.remote.where,
                found=f"{sha} is not in {listed.split()[:1]}",
                do="check who force-pushes to this branch; the next attempt commits anew",
            )

    def _fetch(self, *options: str) -> None:
        self.run(
            "fetch",
            "--quiet",
            "--no-tags",
            *options,
            "origin",
            f"+refs/heads/{self.branch}:refs/remotes/origin/{self.branch}",
        )

    def _log(self) -> Iterator[tuple[str, dict[str, str], str]]:
        listed = self.run("log", f"--max-count={_MAX_LOG}", f"--format={_LOG_FORMAT}")
        for entry in listed.split("\x1e"):
            if entry.strip():
                sha, trailers, body = entry.strip("\n").split("\x1f", 2)
                lines = (line.partition(": ") for line in trailers.splitlines())
                yield sha, {key: value for key, _, value in lines}, body

    def _refuse_links_out(self) -> None:
        for entry in self.run("ls-files", "--stage", "-z").split("\0"):
            mode, _, name = entry.partition(" ")
            if mode == "120000":
                inside(self.root, name.partition("\t")[2])


@contextmanager
def cloned(remote: Remote, *, folders: Sequence[str] | None = None) -> Iterator[GitClone]:
    """A fresh clone of `remote` that lives as long as the context.

    `folders` are checked out, and the files beside and above them; None: everything.
    """
    with TemporaryDirectory(prefix="transition-git-") as temporary:
        root = Path(temporary, "clone")
        options = ["--quiet", "--single-branch", "--no-tags", "--template=", f"--depth={_DEPTH}"]
        options += ["--branch", remote.branch] if remote.branch else []
        options += [] if folders is None else ["--sparse"]
        _git("clone", *options, "--", remote.url, str(root), remote=remote, root=None)
        clone = GitClone(root, remote)
        if folders:
            clone.check_out(folders)
        yield clone


def _git(*arguments: str, remote: Remote, root: Path | None) -> str:
    settings = [word for item in _SETTINGS.items() for word in ("-c", "=".join(item))]
    # Both named, so that a GIT_DIR in the worker's environment leads nowhere else.
    place = [] if root is None else ["--git-dir", str(root / ".git"), "--work-tree", str(root)]
    try:
        return Git(root or Path("/")).execute(
            ["git", *settings, *place, *arguments],
            env=remote.environment,
            kill_after_timeout=remote.timeout.total_seconds(),
        )
    except GitCommandError as error:
        raise git_errors.named(str(error.stderr), where=remote.where) from error
