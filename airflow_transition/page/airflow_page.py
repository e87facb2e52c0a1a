"""The page as Airflow serves it: to its users, with its sign-in."""

from airflow.api_fastapi.app import get_auth_manager
from fastapi import FastAPI

from airflow_transition.heartbeat.airflow_people import authenticate
from airflow_transition.page.app import create_page


def airflow_page() -> FastAPI:
    return create_page(authenticate, sign_in=_sign_in)


def _sign_in(back: str) -> str:
    return get_auth_manager().get_url_login(next_url=back)
