"""How a move ends, whatever fails on the way."""

from dataclasses import dataclass, replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_transition.core.move import Step, goes_forward, next_step


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A move as `next_step` sees it; by default one that failed before anything was pushed."""

    retirement_begun: bool = False
    given_up: bool = False
    retired: bool | None = False
    source_gone: bool = False
    promotion_begun: bool = False
    promoted: bool | None = False
    target_shut: bool = False
    target_gone: bool = True
    target_restored: bool = False


RETIRED = Snapshot(
    retirement_begun=True,
    retired=True,
    source_gone=True,
    promotion_begun=True,
    promoted=True,
    target_gone=False,
    target_restored=True,
)
PROMOTED = replace(RETIRED, retirement_begun=False, retired=False, source_gone=False)

UNKNOWN = [True, False, None]
YES_NO = [True, False]
EVERY_SNAPSHOT = [
    Snapshot(
        retirement_begun=retirement_begun,
        given_up=given_up,
        retired=retired,
        source_gone=source_gone,
        promotion_begun=promotion_begun,
        promoted=promoted,
        target_shut=target_shut,
        target_gone=target_gone,
        target_restored=target_restored,
    )
    for (
        retirement_begun,
        given_up,
        retired,
        source_gone,
        promotion_begun,
        promoted,
        target_shut,
        target_gone,
        target_restored,
    ) in product(YES_NO, YES_NO, UNKNOWN, YES_NO, YES_NO, UNKNOWN, YES_NO, YES_NO, YES_NO)
]
"""All 2,304 of them: small enough to leave none out."""


def every_step(seen: Snapshot) -> set[Step]:
    return {next_step(seen, patient=True), next_step(seen, patient=False)}


def test_a_finished_move_opens_the_target() -> None:
    assert next_step(RETIRED, patient=True) is Step.OPEN_TARGET


def test_a_move_that_failed_before_its_promotion_opens_the_source_at_once() -> None:
    assert next_step(Snapshot(), patient=True) is Step.OPEN_SOURCE


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (PROMOTED, Step.SHUT_TARGET),
        (replace(PROMOTED, target_shut=True), Step.REVERT_PROMOTION),
        (replace(PROMOTED, target_shut=True, promoted=None), Step.ASK_AGAIN),
        (replace(PROMOTED, target_shut=True, promoted=False), Step.WAIT_TARGET_GONE),
        (
            replace(PROMOTED, target_shut=True, promoted=False, target_gone=True),
            Step.OPEN_SOURCE,
        ),
    ],
)
def test_a_promotion_is_taken_back_behind_the_targets_closed_door(
    seen: Snapshot, step: Step
) -> None:
    assert next_step(seen, patient=True) is step


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (replace(RETIRED, source_gone=False), Step.WAIT_SOURCE_GONE),
        (replace(RETIRED, target_restored=False), Step.WAIT_TARGET_RESTORED),
    ],
)
def test_after_the_retirement_nothing_goes_back(seen: Snapshot, step: Step) -> None:
    assert every_step(seen) == {step}


def test_impatience_opens_the_source_although_the_target_did_not_clean_up() -> None:
    assert next_step(PROMOTED, patient=False) is Step.OPEN_SOURCE


def test_the_source_never_opens_while_it_is_retired_or_may_be() -> None:
    for seen in EVERY_SNAPSHOT:
        if seen.retirement_begun and seen.retired is not False:
            assert Step.OPEN_SOURCE not in every_step(seen)
            assert Step.REVERT_PROMOTION not in every_step(seen)


def test_the_target_opens_only_when_the_source_is_retired_and_gone() -> None:
    for seen in EVERY_SNAPSHOT:
        if Step.OPEN_TARGET in every_step(seen):
            assert seen.retirement_begun
            assert seen.retired
            assert seen.source_gone
            assert seen.target_restored


def test_the_direction_does_not_depend_on_patience() -> None:
    for seen in EVERY_SNAPSHOT:
        steps = every_step(seen)
        if any(goes_forward(step) for step in steps):
            assert len(steps) == 1


def test_what_a_failover_took_over_is_left_to_it() -> None:
    for seen in EVERY_SNAPSHOT:
        if seen.given_up:
            finished = seen.retirement_begun and seen.retired and seen.source_gone
            assert finished or every_step(seen) == {Step.LEAVE}


def after(seen: Snapshot, step: Step) -> Snapshot:
    """The world once a step was done, or what was waited for has come."""
    changes: dict[Step, dict[str, bool]] = {
        Step.ASK_AGAIN: {
            "retired": bool(seen.retired),
            "promoted": bool(seen.promoted),
        },
        Step.WAIT_SOURCE_GONE: {"source_gone": True},
        Step.WAIT_TARGET_RESTORED: {"target_restored": True},
        Step.SHUT_TARGET: {"target_shut": True},
        Step.REVERT_PROMOTION: {"promoted": False},
        Step.WAIT_TARGET_GONE: {"target_gone": True},
    }
    return replace(seen, **changes[step])


@given(seen=st.sampled_from(EVERY_SNAPSHOT), patience=st.integers(min_value=0, max_value=10))
def test_every_settlement_ends_with_one_open_door_or_leaves_it_to_a_failover(
    seen: Snapshot, patience: int
) -> None:
    """In a world that answers in the end, from wherever an earlier attempt was cut off."""
    for done in range(10):
        step = next_step(seen, patient=done < patience)
        if step in {Step.OPEN_SOURCE, Step.OPEN_TARGET, Step.LEAVE}:
            assert (step is Step.LEAVE) <= seen.given_up
            return
        seen = after(seen, step)
    pytest.fail(f"not settled: {seen}")
