"""Ask several parts of the outside at once: a plan is as quick as its slowest answer."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from airflow_transition.core.errors import TransitionError

K = TypeVar("K")
T = TypeVar("T")

MOST = 12
"""Threads; each call has its own time limit."""


def at_once(asks: Mapping[K, Callable[[], T]]) -> dict[K, T | TransitionError]:
    """Each answer, or what our own hooks say went wrong; anything else raises."""
    if not asks:
        return {}
    with ThreadPoolExecutor(min(MOST, len(asks))) as threads:
        asked = {key: threads.submit(_answered, ask) for key, ask in asks.items()}
        return {key: each.result() for key, each in asked.items()}


def all_at_once(asks: Mapping[K, Callable[[], T]]) -> dict[K, T]:
    """Each answer; the first error raises when every call has ended."""
    answers = at_once(asks)
    for answer in answers.values():
        if isinstance(answer, TransitionError):
            raise answer
    return {
        key: answer for key, answer in answers.items() if not isinstance(answer, TransitionError)
    }


def _answered(ask: Callable[[], T]) -> T | TransitionError:
    try:
        return ask()
    except TransitionError as error:
        return error
