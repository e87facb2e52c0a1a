"""Pins: a person's word that a restore point stays, whatever the policy says."""

from typing import Literal

from pydantic import AwareDatetime, Field
from transition_wire.model import WireModel

_SUFFIX = ".pin"


class Pin(WireModel):
    """Stands beside the restore point, which is never rewritten."""

    version: Literal[1] = 1
    restore_point: str
    """Its id."""
    by: str = Field(min_length=1, max_length=500)
    """Who pinned it: a person, or `<dag id>/<run id>`."""
    why: str = Field(min_length=1, max_length=1000)
    pinned: AwareDatetime


def pin_key(key: str) -> str:
    """S3 key of the pin of the restore point at `key`."""
    return key + _SUFFIX


def pinned_key(key: str) -> str | None:
    """S3 key of the restore point that the pin at `key` is of; None where that is no pin."""
    return key.removesuffix(_SUFFIX) if key.endswith(f".json{_SUFFIX}") else None
