"""The task in front of a plan: a move that cannot go well ends before anything is touched."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import Context

from airflow_transition.core.doctor import Report, Status
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.doctor import NotWellError
from airflow_transition.operators.move_checkup import MoveCheckupOperator, NotReachedError, only
from airflow_transition.operators.preflight import NotMovableError
from tests.unit.operators.conftest import put_outside
from tests.unit.operators.doctor_world import FakeSurvey, Outside, lay
from tests.unit.operators.world import SOURCE, TARGET, World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Without virtual time: threads wait for each other here."""
    made = World.create()
    put_outside(monkeypatch, made)
    return made


@pytest.fixture
def out(world: World, monkeypatch: pytest.MonkeyPatch) -> Outside:
    return lay(monkeypatch, world)


def check(policy: ClusterPolicy, **changes: Any) -> Report:
    asked = {"package": "video", "target": "automatic", **changes}
    operator = MoveCheckupOperator(task_id="preflight", policy=policy, **asked)
    return Report.model_validate(operator.execute(Context()))


def test_a_move_that_can_go_well_goes_on_and_nothing_is_touched(
    policy: ClusterPolicy, out: Outside, world: World
) -> None:
    assert check(policy).findings == ()
    assert world.moment_of_attempt == 0


def test_a_missing_right_ends_the_move_at_once(policy: ClusterPolicy, out: Outside) -> None:
    out.refused.add((SOURCE, "create nodes/proxy"))
    with pytest.raises(NotWellError, match="create nodes/proxy"):
        check(policy)


def test_a_public_registry_ends_the_move(policy: ClusterPolicy, out: Outside) -> None:
    out.registry_open = True
    with pytest.raises(NotWellError, match="anybody may pull"):
        check(policy)


def test_what_is_away_is_asked_again(policy: ClusterPolicy, out: Outside, world: World) -> None:
    world.away.add("registry")
    with pytest.raises(NotReachedError):
        check(policy)


def test_what_is_no_matter_for_this_move_only_warns(
    policy: ClusterPolicy, out: Outside, world: World
) -> None:
    out.deletes = False
    world.away |= {"receiver", f"kube:{TARGET}"}
    told = {finding.status for finding in check(policy).findings}
    assert told >= {Status.FAILED, Status.WARNING}
    with pytest.raises(NotReachedError):
        check(policy, target=TARGET)


def test_a_package_that_the_policy_does_not_have_is_named(
    policy: ClusterPolicy, out: Outside
) -> None:
    with pytest.raises(NotMovableError, match="no such package"):
        check(policy, package="nope")


def test_other_packages_of_the_policy_are_not_looked_at(policy: ClusterPolicy) -> None:
    document = policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    (first,) = document["spec"]["packageSelectors"]
    other = {**first, "name": "other", "packagePath": "other"}
    document["spec"]["packageSelectors"] = [first, other]
    both = ClusterPolicy.of_document(document)
    left = only(both, package="video").spec.package_selectors
    assert [package.name for package in left] == ["video"]


def test_what_does_not_answer_before_the_deadline_is_asked_again(
    policy: ClusterPolicy, out: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(FakeSurvey, "version", lambda _: released.wait() and "v1.36.2")
    try:
        with pytest.raises(NotReachedError, match="no answer in time"):
            check(policy, deadline=timedelta(seconds=1))
    finally:
        released.set()
