"""What git says on stderr, as named errors."""

import re
from dataclasses import dataclass

from airflow_transition.core.errors import PermanentError, TemporaryError


class GitUnreachableError(TemporaryError):
    """The Git server does not answer, or broke off."""


class GitFailedError(TemporaryError):
    """Git failed for a reason that this module has no name for."""


class PushRaceError(TemporaryError):
    """Others pushed first, each time."""


class PushLostError(TemporaryError):
    """The server took the push, and the branch does not hold the commit."""


class GitAuthenticationError(PermanentError):
    """The server refuses the credentials."""


class GitCertificateError(PermanentError):
    """The server's certificate or host key is not trusted."""


class RepositoryNotFoundError(PermanentError):
    """There is no such repository, or the credentials may not see it."""


class BranchMissingError(PermanentError):
    """The repository has no such branch, or no commit at all."""


class BranchProtectedError(PermanentError):
    """The server takes no push to this branch from these credentials."""


class CommitNotFoundError(PermanentError):
    """The branch has no such commit."""


class RevertConflictError(PermanentError):
    """Later commits changed the same lines."""


class FolderNotFoundError(PermanentError):
    """The repository has no such folder."""


class FolderTooLargeError(PermanentError):
    """The folder holds more than manifests."""


class NotTextError(PermanentError):
    """A manifest is no UTF-8 text."""


class PathRefusedError(PermanentError):
    """A path or link leads out of the repository."""


RACE = re.compile(
    r"failed to update ref|fetch first|stale info|cannot lock ref|non-fast-forward|"
    r"incorrect old value|reference already exists",
    re.IGNORECASE,
)
"""A push that lost to another one: fetch, apply again, push again."""


@dataclass(frozen=True)
class _Case:
    mark: str
    error: type[PermanentError | TemporaryError]
    what: str
    do: str


_CASES = (
    _Case(
        r"certificate problem|certificate verif|host key verification failed",
        GitCertificateError,
        "the server is not trusted",
        "put the CA's file into the connection's extra as ca_file (https), or the host key into "
        "known_hosts_file (ssh)",
    ),
    _Case(
        r"remote branch .* not found|couldn't find remote ref|unborn|no such branch",
        BranchMissingError,
        "the repository has no such branch",
        "push a first commit to it, or name another one in the connection's extra as branch",
    ),
    _Case(
        r"protected branch|hook declined|GH0\d\d|not allowed to push|prohibited",
        BranchProtectedError,
        "the server takes no push to this branch",
        "let the connection's user push to it, or exempt it from the branch's rules",
    ),
    _Case(
        r"authentication failed|could not read (username|password)|error: 40[13]|access denied|"
        r"permission denied|invalid credentials",
        GitAuthenticationError,
        "the server refuses the credentials",
        "put a user and a token that may read and write into the Airflow connection",
    ),
    _Case(
        r"repository .*not found|error: 404|not appear to be a git repository|does not exist",
        RepositoryNotFoundError,
        "there is no such repository, or these credentials may not see it",
        "check the repository's URL in the policy or the connection",
    ),
    _Case(
        r"could not resolve|failed to connect|couldn't connect|connection (refused|reset|closed)|"
        r"timed out|did not complete in|early eof|rpc failed|error: 5\d\d|unexpected disconnect|"
        r"empty reply|hung up|network is unreachable|no route to host|operation too slow",
        GitUnreachableError,
        "the Git server does not answer",
        "check that it is up and that this worker reaches it",
    ),
)
_MAX_FOUND = 600


def named(stderr: str, *, where: str) -> PermanentError | TemporaryError:
    """The error that git's complaint stands for."""
    found = " / ".join(line.strip() for line in stderr.splitlines() if line.strip())[-_MAX_FOUND:]
    for case in _CASES:
        if re.search(case.mark, stderr, re.IGNORECASE):
            return case.error(case.what, where=where, found=found, do=case.do)
    return GitFailedError("git failed", where=where, found=found, do="read what git says")
