"""Many questions, one deadline."""

from datetime import timedelta
from threading import Barrier, Event
from typing import TYPE_CHECKING

import pytest

from airflow_transition.core.errors import PermanentError
from airflow_transition.operators.deadline import NoAnswerInTimeError, within

if TYPE_CHECKING:
    from collections.abc import Callable

LONG, NOW = timedelta(seconds=20), timedelta(0)


def test_questions_are_asked_at_once() -> None:
    barrier = Barrier(4, timeout=20)
    answers = within(LONG, dict.fromkeys(range(4), barrier.wait))
    assert sorted(map(int, answers.values())) == [0, 1, 2, 3]  # type: ignore[arg-type]


def test_no_more_threads_than_allowed_are_used() -> None:
    barrier = Barrier(2, timeout=20)
    assert len(within(LONG, dict.fromkeys(range(4), barrier.wait), threads=2)) == 4


def test_what_does_not_answer_is_an_answer_and_the_others_are_kept() -> None:
    never, said = Event(), Event()
    asks: dict[str, Callable[[], object]] = {"late": never.wait, "soon": said.set}
    answers = within(timedelta(seconds=0.3), asks)
    assert isinstance(answers["late"], NoAnswerInTimeError)
    assert answers["soon"] is None
    never.set()


def test_what_nobody_has_begun_at_the_deadline_is_not_begun() -> None:
    gate, begun = Event(), []
    asks: dict[str, Callable[[], object]] = {
        "first": gate.wait,
        "second": lambda: begun.append("second"),
    }
    answers = within(timedelta(seconds=0.1), asks, threads=1)
    gate.set()
    assert {type(answer) for answer in answers.values()} == {NoAnswerInTimeError}
    assert begun == []


def test_errors_of_ours_are_answers_and_others_raise() -> None:
    def refuse() -> None:
        raise PermanentError("refused", where="there", do="ask")

    def break_down() -> None:
        raise ZeroDivisionError

    assert isinstance(within(LONG, {"a": refuse})["a"], PermanentError)
    with pytest.raises(ZeroDivisionError):
        within(LONG, {"a": break_down})
    assert within(NOW, {}) == {}
