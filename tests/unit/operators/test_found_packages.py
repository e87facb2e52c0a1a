"""`selectMode: All` in the operators: what is found is checkpointed, moved and cleaned up too."""

from typing import Any

import pytest

from airflow_transition import outside
from airflow_transition.core.errors import TemporaryError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.hooks.git_errors import GitUnreachableError
from airflow_transition.hooks.kube_api import ApiUnreachableError
from airflow_transition.hooks.workloads import Annotated
from airflow_transition.operators.found_packages import FoundPackagesOperator
from airflow_transition.operators.preflight import Preflight
from airflow_transition.operators.whole_policy import whole_policy
from tests.unit.operators.world import SOURCE, TARGET, FakeGit, World


class Running:
    """A cluster that runs these."""

    def __init__(self, *found: Annotated, error: Exception | None = None) -> None:
        self.found = found
        self.error = error

    def discover(self) -> tuple[Annotated, ...]:
        if self.error:
            raise self.error
        return self.found


def found(
    policy: ClusterPolicy, monkeypatch: pytest.MonkeyPatch, running: Running
) -> list[dict[str, Any]]:
    monkeypatch.setattr(outside, "cluster_named", lambda _name: running)
    return FoundPackagesOperator(task_id="packages", policy=policy).execute({})


@pytest.mark.usefixtures("world")
def test_a_run_begins_with_the_packages_of_the_repository_and_their_places(
    everything: ClusterPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = found(everything, monkeypatch, Running())
    assert (one["package"]["package"], one["package"]["package_path"]) == ("video", "video")
    assert [place["cluster"] for place in one["places"]] == [SOURCE, TARGET]


@pytest.mark.usefixtures("world")
def test_what_runs_without_a_manifest_is_named_as_not_protected(
    everything: ClusterPolicy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Running(
        Annotated("Deployment", "shop", "video", "video"), Annotated("Pod", "shop", "by-hand", "x")
    )
    found(everything, monkeypatch, running)
    told = capsys.readouterr().out
    assert "not protected: package x (Pod shop/by-hand)" in told
    assert "not protected: package video" not in told


@pytest.mark.usefixtures("world")
def test_a_cluster_that_is_away_does_not_keep_its_packages_from_being_found(
    everything: ClusterPolicy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = ApiUnreachableError("no answer", where="cluster", do="wait")
    assert len(found(everything, monkeypatch, Running(error=away))) == 1
    assert "was not compared" in capsys.readouterr().out


def test_a_repository_that_is_away_is_awaited(
    everything: ClusterPolicy, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise GitUnreachableError("no answer", where="git", do="wait")

    monkeypatch.setattr(FakeGit, "read_holding", away)
    with pytest.raises(TemporaryError):
        whole_policy(everything)


@pytest.mark.usefixtures("world")
def test_a_package_that_was_found_can_be_moved(everything: ClusterPolicy) -> None:
    plan = Preflight(whole_policy(everything), package="video", target="automatic").plan(move="m")
    assert (plan.source.cluster, plan.target.cluster) == (SOURCE, TARGET)


def test_a_policy_that_lists_its_packages_asks_no_repository(
    policy: ClusterPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "git", None)
    assert whole_policy(policy) is policy
