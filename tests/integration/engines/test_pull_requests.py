"""A promotion by pull request on real Git: proposed once, found again, and reverted."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.engine import DrFolder, EngineRef
from airflow_transition.hooks.gitea import GiteaHook
from airflow_transition.hooks.gitops import Commit
from airflow_transition.proposal import (
    PullRequestClosedError,
    PullRequestWaitsError,
    land,
    landed,
    withdraw,
)
from airflow_transition.triggers.pull_requests import PullRequestTrigger
from tests.fake_gitea import FakeGitea, reply

STEP = {"Transition-Move": "move-1", "Transition-Step": "promotion"}
TRAILERS = {**STEP, "Transition-Images": "sha256:7"}
NAME = "nephio/dr"


@pytest.fixture
def place(gitea: FakeGitea) -> ClusterPackage:
    GiteaHook("dr-git").ensure_repository(branch="main")
    return ClusterPackage(
        cluster="cluster2-aws",
        package="video",
        package_path="cluster2-aws-dr/video",
        engine=EngineRef(kind="argocd", cluster="hub", namespace="argocd"),
        dr=DrFolder(git_conn_id="dr-git", branch="main", name="video", pull_request=True),
    )


def change(root: Path) -> None:
    (root / "a.yaml").write_text("a")


def attempt(place: ClusterPackage, *, trailers: Mapping[str, str] = TRAILERS) -> Commit:
    return land(place, change, message="Promote video", trailers=trailers, folders=[], run="1")


def files(place: ClusterPackage) -> set[str]:
    with outside.git(place)._clone(None) as clone:
        return {path.name for path in clone.root.iterdir()} - {".git"}


@pytest.mark.parametrize("squash", [True, False])
def test_it_waits_until_a_person_merges_and_goes_on_from_the_merge_commit(
    place: ClusterPackage, gitea: FakeGitea, *, squash: bool
) -> None:
    for _ in range(2):
        with pytest.raises(PullRequestWaitsError, match="pulls/1"):
            attempt(place)
    assert "a.yaml" not in files(place)
    (pull,) = gitea.pulls[NAME]
    assert "Transition-Move: move-1" in pull["body"]
    merged = gitea.merge(NAME, squash=squash)
    assert attempt(place).sha == merged
    assert "a.yaml" in files(place)


@pytest.mark.parametrize("squash", [True, False])
def test_however_it_was_merged_it_can_be_reverted(
    place: ClusterPackage, gitea: FakeGitea, *, squash: bool
) -> None:
    with pytest.raises(PullRequestWaitsError):
        attempt(place)
    assert landed(place, step=STEP, trailers=TRAILERS, run="1") is None
    gitea.merge(NAME, squash=squash)
    commit = landed(place, step=STEP, trailers=TRAILERS, run="1")
    assert commit is not None
    outside.git(place).revert(commit)
    assert "a.yaml" not in files(place)


def test_one_that_a_person_closed_is_told(place: ClusterPackage, gitea: FakeGitea) -> None:
    with pytest.raises(PullRequestWaitsError):
        attempt(place)
    gitea.pulls[NAME][0]["state"] = "closed"
    with pytest.raises(PullRequestClosedError, match="pulls/1"):
        attempt(place)


def test_another_run_proposes_anew_what_a_person_closed(
    place: ClusterPackage, gitea: FakeGitea
) -> None:
    with pytest.raises(PullRequestWaitsError):
        attempt(place)
    gitea.pulls[NAME][0]["state"] = "closed"
    with pytest.raises(PullRequestWaitsError, match="pulls/2:"):
        land(place, change, message="Again", trailers=TRAILERS, folders=[], run="2")


def test_one_that_is_withdrawn_waits_for_nobody(place: ClusterPackage, gitea: FakeGitea) -> None:
    with pytest.raises(PullRequestWaitsError):
        attempt(place)
    for _ in range(2):
        withdraw(place, trailers=TRAILERS, run="1")
    assert gitea.pulls[NAME][0]["state"] == "closed"


def test_another_promotion_is_another_pull_request(place: ClusterPackage, gitea: FakeGitea) -> None:
    other = {**TRAILERS, "Transition-Images": "sha256:8"}
    for trailers in (TRAILERS, other):
        with pytest.raises(PullRequestWaitsError):
            attempt(place, trailers=trailers)
    assert len(gitea.pulls[NAME]) == 2


def test_a_branch_without_its_pull_request_is_proposed_after_all(
    place: ClusterPackage, gitea: FakeGitea
) -> None:
    """The worker died between the push and Gitea's answer."""
    with pytest.raises(PullRequestWaitsError):
        attempt(place)
    gitea.pulls[NAME].clear()
    with pytest.raises(PullRequestWaitsError):
        attempt(place)
    assert len(gitea.pulls[NAME]) == 1


def test_an_old_pull_request_is_found_behind_many_others(
    place: ClusterPackage, gitea: FakeGitea
) -> None:
    with pytest.raises(PullRequestWaitsError):
        attempt(place)
    hook = GiteaHook("dr-git")
    for number in range(60):
        hook.open_pull(f"other-{number}", base="main", title="other", body="")
    with pytest.raises(PullRequestWaitsError, match="pulls/1:"):
        attempt(place)


def test_the_trigger_fires_once_it_is_merged(place: ClusterPackage, gitea: FakeGitea) -> None:
    with pytest.raises(PullRequestWaitsError) as waiting:
        attempt(place)
    trigger = PullRequestTrigger(
        git_conn_id="dr-git",
        repo_url=None,
        branch=waiting.value.branch,
        until=waiting.value.until,
        poll_interval=timedelta(milliseconds=10),
    )
    _, arguments = trigger.serialize()
    again = PullRequestTrigger(**arguments)

    async def first() -> object:
        merging = asyncio.get_running_loop().run_in_executor(
            None, partial(gitea.merge, NAME, squash=True)
        )
        event = await anext(again.run())
        await merging
        return event.payload

    assert asyncio.run(first()) == {"branch": waiting.value.branch}


def test_the_trigger_does_not_wait_for_ever(place: ClusterPackage, gitea: FakeGitea) -> None:
    with pytest.raises(PullRequestWaitsError) as waiting:
        attempt(place)
    gitea.fails = reply(503, {"message": "away"})
    trigger = PullRequestTrigger(
        git_conn_id="dr-git",
        repo_url=None,
        branch=waiting.value.branch,
        until=datetime.now(UTC) - timedelta(seconds=1),
    )

    async def first() -> object:
        return (await anext(trigger.run())).payload

    assert asyncio.run(first()) == {"branch": waiting.value.branch}
