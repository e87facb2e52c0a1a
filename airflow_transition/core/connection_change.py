"""How a connection changes by what is given to it: what a person set there stays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_transition.core.guide_secrets import Given, Unusable


@dataclass(frozen=True)
class Stored:
    """A connection as Airflow has it."""

    conn_type: str
    host: str | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Change:
    """What a connection is to be, and which of its fields that changes: none, it stays."""

    conn_id: str
    wanted: Stored
    fields: tuple[str, ...]
    is_new: bool


def change(given: Given, *, known: Stored | None) -> Change | Unusable:
    """Login and password are the Secret's; address and extra only where there are none."""
    if known is None:
        if given.conn_type != "aws" and given.host is None:
            return Unusable(
                given.conn_id,
                "nothing tells its address",
                "write `repo` of that cluster into the policy, or make the connection's host first",
            )
        known, is_new = Stored(given.conn_type), True
    elif known.conn_type == given.conn_type:
        is_new = False
    else:
        return Unusable(
            given.conn_id,
            f"there is one of type {known.conn_type}, and {given.conn_type} is needed",
            "delete it, or give it that type",
        )
    wanted = Stored(
        conn_type=given.conn_type,
        host=known.host or given.host,
        login=given.login,
        password=given.password,
        extra={**given.extra, **known.extra},
    )
    names = ("host", "login", "password", "extra")
    fields = tuple(name for name in names if getattr(wanted, name) != getattr(known, name))
    return Change(given.conn_id, wanted, fields, is_new)
