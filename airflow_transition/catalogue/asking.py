"""What each question to the catalogue comes with: who asks, when, and of which database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from sqlalchemy import Connection

from airflow_transition.heartbeat.people import ThePerson, TheReceiver
from airflow_transition.heartbeat.receiver import Receiver
from airflow_transition.heartbeat.watch import Watch
from airflow_transition.heartbeat.watches import TooManyGracePeriodsError

_NOT_FOUND = 404


@dataclass(frozen=True)
class Ask:
    """One question; its answer is worked out in a thread of the server's pool.

    There what the receiver holds in memory is only read: single look-ups, and copies of lists that
    the interpreter makes in one go.
    """

    receiver: Receiver
    watch: Watch
    """By the default grace period."""
    now: datetime
    may_trigger: bool

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection of its own: the receiver's writer waits for nobody's page."""
        with self.receiver.store.reading() as connection:
            yield connection

    def envelope(self, *, total: int, cursor: str | None) -> dict[str, Any]:
        """What every list begins with."""
        return {"now": self.now, "may_trigger": self.may_trigger, "total": total, "next": cursor}

    def detail(self) -> dict[str, Any]:
        """What every single answer begins with."""
        return {"now": self.now, "may_trigger": self.may_trigger}


async def watched(receiver: TheReceiver) -> Watch:
    """In the event loop, as it may begin to watch."""
    try:
        return receiver.watches.of(receiver.settings.default_grace.total_seconds())
    except TooManyGracePeriodsError:
        raise HTTPException(503, "too many grace periods are waited for; try again") from None


def _ask(
    receiver: TheReceiver, watch: Annotated[Watch, Depends(watched)], person: ThePerson
) -> Ask:
    return Ask(receiver, watch, receiver.moment(), person.may_trigger())


TheAsk = Annotated[Ask, Depends(_ask)]


def not_found(what: str) -> HTTPException:
    return HTTPException(_NOT_FOUND, f"the catalogue knows no {what}; see whether it is spelt so")
