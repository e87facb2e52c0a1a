"""People and tasks are authenticated and authorized by Airflow's own auth manager."""

from dataclasses import dataclass
from typing import Any

from airflow.api_fastapi.app import get_auth_manager, init_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Request
from fastapi.security import HTTPBearer

_BEARER = HTTPBearer(auto_error=False)


@dataclass(frozen=True)
class AirflowPerson:
    """A user of Airflow; the auth manager knows of which kind."""

    user: Any

    @property
    def name(self) -> str:
        return str(self.user.get_name())

    def may_trigger(self) -> bool:
        return get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, user=self.user
        )

    def is_admin(self) -> bool:
        """Airflow has no word for it that all auth managers share.

        Whoever may make connections can act as the tasks do, in every system that they lead to.
        """
        return get_auth_manager().is_authorized_connection(method="POST", user=self.user)


async def authenticate(request: Request) -> AirflowPerson:
    """By the bearer token or, behind Airflow's API server, by the web UI's cookie."""
    return AirflowPerson(await get_user(request, None, await _BEARER(request)))


def begin_standalone() -> None:
    """Outside of Airflow's API server nobody else has started the auth manager."""
    init_auth_manager()
