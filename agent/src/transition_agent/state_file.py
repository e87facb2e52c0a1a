"""The node's memory of its orders: neither a reboot nor a crash opens what is closed."""

import os
from pathlib import Path

from pydantic import ValidationError

from transition_agent.errors import AgentError
from transition_agent.orders import Orders

_NAME = "orders.json"
_MOST_BYTES = 16 * 1024 * 1024


class StateError(AgentError):
    """The orders cannot be kept, or those that were kept cannot be read."""


class StateFile:
    def __init__(self, folder: Path) -> None:
        self.path = folder / _NAME

    def load(self) -> Orders:
        """None were kept: no orders."""
        try:
            with self.path.open("rb") as file:
                return Orders.model_validate_json(file.read(_MOST_BYTES))
        except FileNotFoundError:
            return Orders()
        except (OSError, ValidationError) as error:
            raise StateError(
                f"the orders of before cannot be read: {type(error).__name__}",
                where=str(self.path),
                do="nothing is closed until the receiver answers; remove the file once it has",
            ) from error

    def save(self, orders: Orders) -> None:
        """In one step, and on the disk when it returns."""
        partial = self.path.with_suffix(".partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with partial.open("wb") as file:
                file.write(orders.model_dump_json(indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
            _sync(self.path.parent)
        except OSError as error:
            raise StateError(
                f"fences and leases cannot be kept: {error.strerror}",
                where=str(self.path),
                do="make STATE_DIR writable for the agent: a reboot would open what is closed",
            ) from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
