"""The story of a planned move, as it lies in S3: how it went, when its run is long gone."""

from typing import Literal

from pydantic import AwareDatetime, Field
from transition_wire.model import WireModel

from airflow_transition.core.move import MovePlan

_FOLDER = "moves"

Outcome = Literal["moved", "rolled-back", "given-up"]
"""given-up: the source was lost during the move, and a failover has the package."""


class MoveStep(WireModel):
    """One task of the move."""

    name: str
    seconds: float | None = None
    """None: it did not run to its end."""
    state: Literal["done", "failed", "skipped"] = "done"


class MoveStory(WireModel):
    """Written once the package is open on one side."""

    version: Literal[1] = 1
    plan: MovePlan
    began: AwareDatetime
    ended: AwareDatetime
    outcome: Outcome
    text: str
    downtime_seconds: float | None = Field(default=None, ge=0)
    """From the closed door to the open one; None: the door was never closed."""
    steps: tuple[MoveStep, ...] = ()
    images: tuple[str, ...] = ()
    commit: str | None = None
    started_by: str | None = None
    """The person; None: not known."""
    next_step: str | None = None


def moves_folder(policy: str, *, prefix: str) -> str:
    """S3 prefix of a policy's moves."""
    return f"{prefix}{_FOLDER}/{policy}/"


def move_key(plan: MovePlan, *, prefix: str) -> str:
    """S3 key of a move's story."""
    return f"{moves_folder(plan.policy, prefix=prefix)}{plan.move}.json"


def move_of_key(key: str, *, policy: str, prefix: str) -> str:
    """Which move the story at `key` is of."""
    return key.removeprefix(moves_folder(policy, prefix=prefix)).removesuffix(".json")
