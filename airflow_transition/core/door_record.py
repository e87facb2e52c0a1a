"""What closing a door left behind, for the tasks that rely on it."""

from pydantic import AwareDatetime
from transition_wire.model import WireModel


class DoorRecord(WireModel):
    """A closed door; valid as long as the cluster still shows its lock."""

    lock: str
    """Uid of the network policy: another one means that the door was open in between."""
    policy: str
    services: tuple[str, ...]
    closed: AwareDatetime
    """When it was closed for sure, by the clock of the worker."""
