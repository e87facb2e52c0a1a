"""Airflow with the provider, filled, and a headless Chromium in front of it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from lab.airflow import AirflowInstance, free_port
from tests.browser.seed import POLICY, agents, fill
from tests.browser.visitor import PEOPLE, Visitor

ROOT = Path(__file__).parents[2]
_PATIENCE_MS = 30_000


@contextmanager
def filled_airflow(folder: Path) -> Iterator[AirflowInstance]:
    """One with the sample policy's DAGs, two clusters, and a history."""
    policies = folder / "policies"
    policies.mkdir()
    shutil.copy(ROOT / "dags" / "policies" / f"{POLICY}.yaml", policies)
    people = ",".join(f"{name}:{role}" for name, role in PEOPLE.items())
    instance = AirflowInstance(
        folder / "home",
        dags_folder=ROOT / "dags",
        policies_folder=policies,
        connections={},
        port=free_port(),
        settings={("core", "simple_auth_manager_users"): people},
        components=("api-server", "scheduler", "dag-processor"),
    )
    with instance:
        instance.wait_dag(f"migrate.{POLICY}")
        token = sign_in(instance, person="admin")
        fill(instance.url, token=token)
        with agents(instance.url, token=token):
            yield instance


def sign_in(airflow: AirflowInstance, *, person: str) -> str:
    """A token by Airflow's own sign-in."""
    passwords = json.loads((airflow.state_dir / "passwords.json").read_text())
    login = {"username": person, "password": passwords[person]}
    return str(httpx.post(f"{airflow.url}/auth/token", json=login).json()["access_token"])


@contextmanager
def chromium() -> Iterator[Browser]:
    """The distribution's own browser: nothing is downloaded."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        try:
            yield browser
        finally:
            browser.close()


def new_visitor(
    browser: Browser,
    *,
    airflow: AirflowInstance,
    person: str | None = "admin",
    theme: str = "light",
    width: int = 1280,
    height: int = 900,
) -> tuple[BrowserContext, Visitor]:
    """A person with a browser profile of their own."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, timezone_id="Europe/Berlin", locale="en"
    )
    context.set_default_timeout(_PATIENCE_MS)
    if person is not None:
        token = sign_in(airflow, person=person)
        context.add_cookies([{"name": "_token", "value": token, "url": airflow.url}])
    context.add_init_script(f"localStorage.theme ??= '{theme}'")
    return context, Visitor(context.new_page(), url=airflow.url)
