"""Tell the catalogue what a task has done: a courtesy, which never fails or delays a task."""

import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.catalogue import Told

if TYPE_CHECKING:
    from airflow_transition.hooks.catalogue import CatalogueHook

log = logging.getLogger(__name__)

PATIENT = timedelta(seconds=10)
"""Where nobody waits for the task."""
AT_ONCE = timedelta(0)
"""On the way of a failover: it is told beside the next step, or by the one after it."""


def tell(make: Callable[[], Told], *, patience: timedelta = PATIENT) -> None:
    """Whatever goes wrong is logged: S3 holds it, and the next reindex finds it there."""
    try:
        hook = catalogue_if_any()
        told = make()
    except Exception as error:  # noqa: BLE001 - the catalogue is a copy; the task has succeeded
        log.warning("the catalogue is not told: %s", error)
        return
    if hook is None:
        return
    teller = Thread(target=_tell, args=(hook, told), daemon=True, name="transition-telling")
    teller.start()
    teller.join(patience.total_seconds())
    if teller.is_alive():
        log.info("the catalogue takes its time; the task goes on")


def catalogue_if_any() -> "CatalogueHook | None":
    """The catalogue; None where no connection leads to one."""
    from airflow_transition.hooks.connection import ConnectionNotGivenError  # noqa: PLC0415 - heavy

    hook = outside.catalogue()
    try:
        hook.client  # noqa: B018 - reads the connection, here rather than in another thread
    except ConnectionNotGivenError as error:
        log.debug("no catalogue: %s", error)
        return None
    return hook


def _tell(hook: "CatalogueHook", told: Told) -> None:
    try:
        hook.tell(told)
    except Exception as error:  # noqa: BLE001 - as above
        log.warning("the catalogue is not told: %s", error)
