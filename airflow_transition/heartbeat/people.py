"""Who asks, and what they may do; Airflow decides both in production."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPBearer

from airflow_transition.heartbeat.receiver import Receiver

_FORBIDDEN = 403


class Person(Protocol):
    """A user of Airflow, or a task that signs in as one."""

    @property
    def name(self) -> str:
        """By which others know the person."""

    def may_trigger(self) -> bool:
        """Start DAG runs: whoever may, may start and steer failovers."""

    def is_admin(self) -> bool:
        """Give out tokens."""


Authenticate = Callable[[Request], Awaitable[Person]]
"""Answers who sent the request, or raises HTTPException 401 or 403."""

_AIRFLOW = HTTPBearer(
    scheme_name="airflow",
    description="A JWT of Airflow's `POST /auth/token`; the web UI's cookie does as well.",
    auto_error=False,
)


def receiver_of(request: Request) -> Receiver:
    """The application's receiver, once it has read its tables."""
    receiver = request.app.state.receiver
    assert isinstance(receiver, Receiver)  # noqa: S101 - create_app put it there
    receiver.require_ready()
    return receiver


async def _person(request: Request, _: Annotated[object, Security(_AIRFLOW)]) -> Person:
    authenticate: Authenticate = request.app.state.authenticate
    return await authenticate(request)


# Not async: what a person may do can be a question to the database, so it is asked in a thread.
def _operator(person: Annotated[Person, Depends(_person)]) -> Person:
    if not person.may_trigger():
        raise HTTPException(_FORBIDDEN, "this needs the permission to trigger DAGs")
    return person


def _admin(person: Annotated[Person, Depends(_person)]) -> Person:
    if not person.is_admin():
        raise HTTPException(_FORBIDDEN, "this needs the permissions of an Airflow admin")
    return person


AnyPerson = Depends(_person)
ThePerson = Annotated[Person, Depends(_person)]
TheOperator = Annotated[Person, Depends(_operator)]
Operator = Depends(_operator)
Admin = Depends(_admin)
TheReceiver = Annotated[Receiver, Depends(receiver_of)]
