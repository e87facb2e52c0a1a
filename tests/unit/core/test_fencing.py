"""When the target's copies may start, by what is certain of the lost cluster's."""

from typing import Any

import pytest

from airflow_transition.core.claim import PackageFence
from airflow_transition.core.fencing import (
    FencingStep,
    Way,
    agents_step,
    decide_fencing,
    lease_step,
)


def step(way: Way, *certain_of: str, alive: bool = False) -> FencingStep:
    return FencingStep(way=way, text="tried", certain_of=certain_of, alive=alive)


def fence(**fields: Any) -> PackageFence:
    sound: dict[str, Any] = {
        "package": "video",
        "namespace": "shop",
        "nodes_silent_seconds": 100,
        "nodes_fenced": (),
        "nodes_open": (),
        "lease_seconds": None,
        "lease_expired": False,
    }
    return PackageFence(**(sound | fields))


@pytest.mark.parametrize("policy", ["Stop", "GoOn", "GoOnIfSilent"])
def test_what_is_certain_by_any_way_goes_on(policy: Any) -> None:
    steps = [step(Way.API, "a"), step(Way.LEASE, "b")]
    decision = decide_fencing(["a", "b"], steps=steps, policy=policy, silent=False)
    assert decision.go_on
    assert decision.uncertain == ()


@pytest.mark.parametrize(
    ("policy", "silent", "alive", "goes_on"),
    [
        ("Stop", True, False, False),
        ("GoOn", False, True, True),
        ("GoOnIfSilent", True, False, True),
        ("GoOnIfSilent", False, False, False),
        ("GoOnIfSilent", True, True, False),
    ],
)
def test_what_is_certain_by_no_way_is_the_policys_to_decide(
    policy: Any, *, silent: bool, alive: bool, goes_on: bool
) -> None:
    steps = [step(Way.GIT, alive=alive), step(Way.AGENTS, "b")]
    decision = decide_fencing(["a", "b"], steps=steps, policy=policy, silent=silent)
    assert decision.go_on is goes_on
    assert decision.uncertain == ("a",)
    assert policy in decision.text


def test_agents_are_certain_when_each_of_them_has_reported() -> None:
    done = agents_step([fence(nodes_fenced=("n1", "n2"))], grace_seconds=20)
    assert done.certain_of == ("video",)
    half = agents_step([fence(nodes_fenced=("n1",), nodes_open=("n2",))], grace_seconds=20)
    assert half.certain_of == ()
    assert "n2" in half.text
    assert agents_step([fence()], grace_seconds=20).certain_of == ()


def test_an_agent_that_was_heard_within_the_grace_period_is_a_sign_of_life() -> None:
    assert agents_step([fence(nodes_silent_seconds=3)], grace_seconds=20).alive
    assert not agents_step([fence()], grace_seconds=20).alive
    assert not agents_step([fence(nodes_silent_seconds=None)], grace_seconds=20).alive


def test_a_lease_is_certain_once_it_has_run_out() -> None:
    assert lease_step([fence(lease_seconds=5, lease_expired=True)]).certain_of == ("video",)
    assert lease_step([fence(lease_seconds=5)]).certain_of == ()
    assert lease_step([fence()]).text == "no lease was given"
