"""Airflow imports this module in each of its processes: it stays light, and does its work late."""

import importlib
import logging
import sys
from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import conf

from airflow_transition.core.errors import TransitionError
from airflow_transition.links import ArchiveLink, CommitLink, ImageLink, PageLink
from airflow_transition.page.navigation import PREFIX as PAGE_PREFIX
from airflow_transition.page.navigation import navigation
from airflow_transition.settings import SECTION

_NEEDED_BY_TASKS = (
    "airflow_transition.dag_builder",
    "airflow_transition.hooks.checkpoint_store",
    "airflow_transition.hooks.cluster",
    "airflow_transition.hooks.gitops",
    "airflow_transition.hooks.heartbeat",
    "airflow_transition.hooks.kubelet",
    "airflow_transition.hooks.oci_registry",
    "airflow_transition.hooks.second_signal",
)

RECEIVER_PREFIX = "/transition"

log = logging.getLogger(__name__)


class TransitionPlugin(AirflowPlugin):
    """The provider's links, receiver and page; in the scheduler, modules before workers are forked.

    It has no listeners: one listener makes every DAG that uses `end_from_trigger` fail to import.
    """

    name = "transition"
    operator_extra_links = [  # noqa: RUF012 - Airflow's API
        CommitLink(),
        ImageLink(),
        ArchiveLink(),
        PageLink(),
    ]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        return navigation()

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Page and receiver in Airflow's API server; imported here, as no other process needs them.

        On a database that it cannot use Airflow starts without it, and says so.
        """
        from airflow_transition.heartbeat.airflow_app import airflow_receiver  # noqa: PLC0415
        from airflow_transition.page.airflow_page import airflow_page  # noqa: PLC0415

        try:
            app = airflow_receiver()
        except TransitionError as error:
            log.error("no receiver of heartbeats: %s", error)  # noqa: TRY400 - it says all
            return []
        return [  # the longer prefix first: the first that fits gets the request
            {"name": "transition-page", "app": airflow_page(), "url_prefix": PAGE_PREFIX},
            {"name": "transition", "app": app, "url_prefix": RECEIVER_PREFIX},
        ]

    @classmethod
    def on_load(cls, *_args: Any, **_kwargs: Any) -> None:
        if _is_scheduler(sys.argv) and conf.getboolean(SECTION, "preload"):
            preload()


def preload() -> None:
    """Import what tasks need, so that forked workers share it.

    A module that cannot be imported is reported and left to the task that needs it: a scheduler
    that does not start would stop every DAG.
    """
    for name in _NEEDED_BY_TASKS:
        try:
            importlib.import_module(name)
        except Exception:
            log.exception("not preloaded: %s", name)


def _is_scheduler(arguments: list[str]) -> bool:
    return arguments[1:2] == ["scheduler"]
