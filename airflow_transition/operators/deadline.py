"""Ask many things at once, and no longer than a given time.

`at_once` waits for each answer, as its callers cannot go on without it. Here what does not answer
is an answer too. Threads that still wait are left behind: daemons, so that the process can end.
"""

import queue
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from threading import Thread
from typing import Generic, TypeVar

from airflow_transition.core.errors import TemporaryError, TransitionError

K = TypeVar("K")
T = TypeVar("T")

THREADS = 16


class NoAnswerInTimeError(TemporaryError):
    """What was asked did not answer before the deadline."""


def within(
    timeout: timedelta, asks: Mapping[K, Callable[[], T]], *, threads: int = THREADS
) -> dict[K, T | TransitionError]:
    """Each answer, or what our own hooks say went wrong; anything else raises."""
    answers = _Answers[K, T](asks)
    for _ in range(min(threads, len(asks))):
        Thread(target=answers.work, daemon=True).start()
    return answers.wait(timeout)


class _Answers(Generic[K, T]):
    def __init__(self, asks: Mapping[K, Callable[[], T]]) -> None:
        self._asks = asks
        self._waiting: queue.SimpleQueue[K] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[tuple[K, T | BaseException]] = queue.SimpleQueue()
        for key in asks:
            self._waiting.put(key)

    def work(self) -> None:
        while True:
            try:
                key = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self._made.put((key, self._asks[key]()))
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                self._made.put((key, error))

    def wait(self, timeout: timedelta) -> dict[K, T | TransitionError]:
        deadline = time.monotonic() + timeout.total_seconds()
        found: dict[K, T | TransitionError] = {}
        while len(found) < len(self._asks):
            try:
                key, answer = self._made.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(answer, BaseException) and not isinstance(answer, TransitionError):
                raise answer
            found[key] = answer
        late = {key: _late(timeout) for key in self._asks if key not in found}
        while not self._waiting.empty():  # what nobody has begun is not begun any more
            try:
                self._waiting.get_nowait()
            except queue.Empty:
                break
        return {**found, **late}


def _late(timeout: timedelta) -> NoAnswerInTimeError:
    return NoAnswerInTimeError(
        "no answer in time",
        where="the doctor",
        found=f"nothing within {timeout.total_seconds():g} s",
        do="see whether it is reachable from here",
    )
