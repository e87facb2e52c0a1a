"""Proofs: a restore point that was really restored, in isolation, and answered."""

from datetime import timedelta
from typing import Literal

from pydantic import AwareDatetime, Field
from transition_wire.model import DnsSubdomain, WireModel

_SUFFIX = ".proof"


class Proof(WireModel):
    """Stands beside the restore point, which is never rewritten; a newer one replaces it."""

    version: Literal[1] = 1
    restore_point: str
    """Its id."""
    cluster: DnsSubdomain
    """Where it was restored."""
    node: DnsSubdomain
    way: str = Field(min_length=1, max_length=100)
    """How its node restored it."""
    asked: tuple[str, ...] = ()
    """What was asked of the copy; its pod was Ready besides."""
    by: str = Field(min_length=1, max_length=500)
    """`<dag id>/<run id>`, or a person at a shell."""
    proven: AwareDatetime
    seconds: float = Field(ge=0)
    """From the pod's creation until it was Ready."""

    def __str__(self) -> str:
        took = timedelta(seconds=round(self.seconds, 1)).total_seconds()
        asked = f", asked: {', '.join(self.asked)}" if self.asked else ""
        return f"restored on {self.cluster}/{self.node} in {took:g} s{asked}"


def proof_key(key: str) -> str:
    """S3 key of the proof of the restore point at `key`."""
    return key + _SUFFIX


def proven_key(key: str) -> str | None:
    """S3 key of the restore point that the proof at `key` is of; None where that is no proof."""
    return key.removesuffix(_SUFFIX) if key.endswith(f".json{_SUFFIX}") else None
