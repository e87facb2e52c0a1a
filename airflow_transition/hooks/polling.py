"""Wait for a condition that can only be asked for, with a deadline."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from airflow_transition.core.errors import TemporaryError

T = TypeVar("T")

_FIRST = timedelta(milliseconds=50)


@dataclass(frozen=True)
class Poll:
    """How waiting is done: the clock (monotonic seconds), the sleep, the pause between questions.

    The pause is short because a closed door's length is the application's downtime; the first ones
    are shorter still.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    pause: timedelta = timedelta(milliseconds=250)

    def until(
        self, ask: Callable[[], T | None], *, timeout: timedelta, late: Callable[[], Exception]
    ) -> T:
        """Ask until the answer is not None, at least once; raise `late()` after `timeout`.

        What is temporarily not to be had is asked for again; if it is so at the deadline, that
        error is the cause of `late()`.
        """
        end = self.clock() + timeout.total_seconds()
        pause = min(_FIRST, self.pause).total_seconds()
        while True:
            failure: TemporaryError | None = None
            try:
                answer = ask()
            except TemporaryError as error:
                answer, failure = None, error
            if answer is not None:
                return answer
            if self.clock() >= end:
                raise late() from failure
            self.sleep(pause)
            pause = min(2 * pause, self.pause.total_seconds())
