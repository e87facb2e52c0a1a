"""Pins where they lie: in S3, beside the restore points. The catalogue only shows them."""

from datetime import datetime
from typing import Any, Protocol

from airflow_transition import outside
from airflow_transition.core.pin import Pin
from airflow_transition.heartbeat.answers import Detail

_MOST_BY = 500

BadGateway: dict[int | str, dict[str, Any]] = {
    502: {"model": Detail, "description": "S3 did not do what was asked"}
}


class Pins(Protocol):
    """Whoever holds the pins."""

    def pin(self, point_id: str, *, by: str, why: str, now: datetime) -> Pin | None:
        """None: there is no such restore point (any more)."""

    def unpin(self, point_id: str) -> None: ...


class StoredPins:
    """In the checkpoint store that `[transition]` names."""

    def pin(self, point_id: str, *, by: str, why: str, now: datetime) -> Pin | None:
        from airflow_transition.hooks.store_errors import (  # noqa: PLC0415 - heavy
            ObjectMissingError,
        )

        by = by[:_MOST_BY] or "somebody"
        try:
            outside.store().put_pin(point_id, by=by, why=why, now=now)
        except ObjectMissingError:
            return None
        return Pin(restore_point=point_id, by=by, why=why, pinned=now)

    def unpin(self, point_id: str) -> None:
        outside.store().remove_pin(point_id)
