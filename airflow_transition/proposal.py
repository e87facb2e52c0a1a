"""Bring a promotion into its repository: by a push, or by a pull request that a person merges."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Never

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.core.policy import ClusterPolicy

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from airflow_transition.hooks.gitea import PullRequest
    from airflow_transition.hooks.gitops import Commit

log = logging.getLogger(__name__)

MERGE_TIMEOUT = timedelta(hours=12)
"""How long a person may take; counted from when the pull request was opened."""
_SPARE = timedelta(hours=1)
"""Until Airflow ends what did not end by itself."""


class PullRequestWaitsError(TemporaryError):
    """A person has not merged the pull request yet."""

    def __init__(self, pull: "PullRequest", *, place: ClusterPackage, branch: str) -> None:
        self.place = place
        self.branch = branch
        self.until = pull.created + MERGE_TIMEOUT
        what = "a pull request waits to be merged"
        super().__init__(what, where=pull.url, do="merge or close it")


class PullRequestLateError(PermanentError):
    """Nobody has merged the pull request in time."""


class PullRequestClosedError(PermanentError):
    """A person has closed the pull request without merging it."""


def land(
    place: ClusterPackage,
    change: Callable[[Path], None],
    *,
    message: str,
    trailers: Mapping[str, str],
    folders: Sequence[str],
    run: str,
) -> "Commit":
    """The commit in the place's branch; what waits for a person raises, and can be called again.

    Each `run` proposes anew: a person who starts another one has thought again.
    """
    from airflow_transition.hooks.gitops import Commit  # noqa: PLC0415 - heavy

    git = outside.git(place)
    if place.dr is None or not place.dr.pull_request:
        return git.commit(change, message=message, trailers=trailers, folders=folders)
    branch, gitea = _branch(trailers, run=run), outside.gitea(place)
    pull = gitea.find_pull(branch)
    if pull is None:
        there = git.find(trailers)
        if there is not None:
            return Commit(there, changed=False)
        made = git.commit(
            change, message=message, trailers=trailers, folders=folders, proposal=branch
        )
        if made.sha == git.head():
            return made  # there is nothing to change
        pull = gitea.open_pull(branch, base=place.dr.branch, title=message, body=_body(trailers))
        log.info("pull request %s", pull.url)
    if pull.merge_commit:
        return Commit(pull.merge_commit, changed=True)
    if pull.is_open and datetime.now(UTC) >= pull.created + MERGE_TIMEOUT:
        raise PullRequestLateError(
            "nobody has merged the pull request in time",
            where=pull.url,
            found=f"open since {pull.created:%Y-%m-%dT%H:%M:%SZ}",
            do="nothing: it is closed; start anew when somebody can look at it",
        )
    if pull.is_open:
        raise PullRequestWaitsError(pull, place=place, branch=branch)
    raise PullRequestClosedError(
        "the pull request was closed without being merged",
        where=pull.url,
        do="nothing, if it was meant so; else start a new move",
    )


def landed(
    place: ClusterPackage, *, step: Mapping[str, str], trailers: Mapping[str, str], run: str
) -> str | None:
    """The commit that brought a promotion, however it was merged; None: none did.

    By those of its `trailers` that name the step; a squashed merge may have lost them.
    """
    found = outside.git(place).find(step)
    if found is not None or place.dr is None or not place.dr.pull_request:
        return found
    pull = outside.gitea(place).find_pull(_branch(trailers, run=run))
    return pull.merge_commit if pull else None


def withdraw(place: ClusterPackage, *, trailers: Mapping[str, str], run: str) -> None:
    """Nobody is to merge the promotion any more."""
    if place.dr is None or not place.dr.pull_request:
        return
    gitea = outside.gitea(place)
    pull = gitea.find_pull(_branch(trailers, run=run))
    if pull is not None and pull.is_open:
        gitea.close_pull(pull.number)
        log.info("closed %s", pull.url)


def wait_for_merge(operator: "BaseOperator", waiting: PullRequestWaitsError) -> Never:
    """Leave the worker; the operator's `resume` is called when the pull request is closed."""
    from airflow_transition.triggers.pull_requests import (  # noqa: PLC0415 - heavy
        PullRequestTrigger,
    )

    log.info("%s", waiting)
    trigger = PullRequestTrigger(
        git_conn_id=waiting.place.git_conn_id,
        repo_url=waiting.place.repo,
        branch=waiting.branch,
        until=waiting.until,
    )
    operator.defer(trigger=trigger, method_name="resume", timeout=MERGE_TIMEOUT + _SPARE)


def merge_limit(policy: ClusterPolicy) -> timedelta:
    """What a promotion may take beside its own work."""
    return MERGE_TIMEOUT + _SPARE if policy.spec.promotion.pull_request else timedelta(0)


def _branch(trailers: Mapping[str, str], *, run: str) -> str:
    """The same for each attempt of one promotion, and another one for each other."""
    text = "\n".join([run, *(f"{key}: {value}" for key, value in sorted(trailers.items()))])
    return f"transition/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _body(trailers: Mapping[str, str]) -> str:
    lines = "\n".join(f"{key}: {value}" for key, value in trailers.items())
    return f"The task goes on when this is merged, and takes it back when it is closed.\n\n{lines}"
