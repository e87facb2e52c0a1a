"""Removes what a plan lets go, in an order that leaves nothing half usable behind.

A restore point goes first, so that nobody chooses it; then its image, the record and the archive.
Whatever ends this in between leaves orphans, which the next run finds.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.remains import Orphan, Remains
from airflow_transition.core.restore_points import RestorePoint
from airflow_transition.operators.retention_plan import RetentionPlan

if TYPE_CHECKING:
    from airflow_transition.core.errors import PermanentError

log = logging.getLogger(__name__)

_KIBI = 1024
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


@dataclass
class RetentionRemoval:
    """One attempt; a repeated one begins with a plan of its own."""

    plan: RetentionPlan
    why_not: Callable[[], str | None]
    """Why nothing may be removed any more; asked again and again, since a move can begin."""
    removed: list[str] = field(default_factory=list)
    """Ids of restore points."""
    orphans: int = 0
    freed_bytes: int = 0
    stopped: str | None = None
    """Why it ended before all was gone."""
    refused: "PermanentError | None" = None
    """Why no image can be deleted, and with it nothing that an image is of."""

    def __post_init__(self) -> None:
        self.inventory = outside.store().inventory
        self.registry = outside.registry()

    def __str__(self) -> str:
        return (
            f"restore points {len(self.removed)}, orphans {self.orphans}, "
            f"{size_text(self.freed_bytes)} freed in S3; the registry frees the images' space when "
            "its own garbage collection runs"
        )

    def run(self) -> None:
        """Raise at the end if the registry deletes nothing; what needs no registry is done then.

        Orphans go first: where only a real deletion is refused, it is an orphan that shows it.
        """
        self._trying(self._ask_registry)
        for remove in self._steps():
            self.stopped = self.why_not()
            if self.stopped:
                log.warning("no more is removed now: %s", self.stopped)
                break
            self._trying(remove)
        if self.refused is not None:
            raise self.refused

    def _steps(self) -> Iterator[Callable[[], None]]:
        for orphan in self.plan.orphans:
            if self.refused is None or not orphan.remains.images:
                yield partial(self._remove_orphan, orphan)
        for point in self.plan.going:
            if self.refused is None:
                yield partial(self._remove_point, point)

    def _trying(self, step: Callable[[], None]) -> None:
        """Take a step, and remember that the registry refuses to delete."""
        from airflow_transition.hooks.registry_errors import (  # noqa: PLC0415 - heavy
            RegistryDeletionRefusedError,
        )

        try:
            step()
        except RegistryDeletionRefusedError as error:
            self.refused = error

    def _ask_registry(self) -> None:
        of_points = [image for point in self.plan.going for image in point.images.values()]
        of_orphans = [one.reference for each in self.plan.orphans for one in each.remains.images]
        for image in [*of_points, *of_orphans][:1]:
            self.registry.require_deletion(image)

    def _remove_point(self, point: RestorePoint) -> None:
        if not self.inventory.remove_point(point):
            log.info("stays after all, pinned or changed since it was looked at: %s", point.id)
            return
        for container in point.containers:
            self.registry.delete_image(container.image)
            stored = self.plan.remains.get(container.record_key)
            if stored is not None:
                self._remove_archives(stored)
        self.removed.append(point.id)

    def _remove_orphan(self, orphan: Orphan) -> None:
        if self._is_taken_up(orphan.remains):
            log.info("no orphan any more: %s", orphan.remains.record_key)
            return
        for image in orphan.remains.images:
            self.registry.delete_image(image.reference)
        self._remove_archives(orphan.remains)
        self.orphans += 1

    def _is_taken_up(self, remains: Remains) -> bool:
        """Whether somebody went on with an orphan since it was looked at."""
        if remains.archives and remains.record is None and self.inventory.is_recorded(remains):
            return True
        goes = {image.reference for image in remains.images}
        if remains.record is not None or remains.archives:
            goes.add(remains.record_key)
        made = remains.checkpoint
        points = self.inventory.near(made.namespace, moments=[made.created]) if goes else []
        return points is None or any(
            goes & {container.record_key, container.image}
            for point in points
            for container in point.containers
        )

    def _remove_archives(self, remains: Remains) -> None:
        self.inventory.remove_archives(remains)
        self.freed_bytes += remains.size_bytes


def size_text(size_bytes: int) -> str:
    """A number of bytes for people."""
    size, unit = float(size_bytes), 0
    while size >= _KIBI and unit < len(_UNITS) - 1:
        size, unit = size / _KIBI, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{size_bytes} bytes"
