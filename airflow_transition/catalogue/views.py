"""What the catalogue answers: the parts that several pages share."""

from typing import Literal

from pydantic import AwareDatetime, Field
from transition_wire.model import WireModel

from airflow_transition.core.catalogue import TransitionStep

MOST_LIMIT = 200
"""Rows of one page."""


class Listing(WireModel):
    """What every list begins with."""

    now: AwareDatetime
    """The server's clock: ages are counted from it, not from the browser's."""
    may_trigger: bool
    """Whether the person may start DAGs; without it no button that does is shown."""
    total: int
    """Rows that fit the search, on all pages."""
    next: str | None
    """Give it as `cursor` for the page after this one; None: this is the last."""


class Link(WireModel):
    """Where to look further."""

    kind: Literal["run", "commit", "image", "archive"]
    text: str
    url: str | None
    """None: there is nothing that a browser opens; the text names it."""


class Me(WireModel):
    """Who asks, and what the person may do."""

    name: str
    may_trigger: bool
    is_admin: bool


class Version(WireModel):
    """Of all that the pages show; a part that differs is to be asked for again."""

    version: str
    fleet: str
    """Health and epochs."""
    catalogue: str
    """Packages, restore points and transitions."""


class Pinned(WireModel):
    """Why a restore point stays."""

    by: str
    why: str
    pinned: AwareDatetime | None
    """None: when is not known."""


class PinRequest(WireModel):
    """Keep a restore point."""

    why: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")


Step = TransitionStep
