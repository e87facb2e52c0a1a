"""Airflow with the provider, filled; and a headless Chromium in front of it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from lab.airflow import AirflowInstance, free_port
from tests.browser.seed import fill
from tests.browser.visitor import PEOPLE, Visitor

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowInstance]:
    folder = tmp_path_factory.mktemp("browser")
    policies = folder / "policies"
    policies.mkdir()
    shutil.copy(ROOT / "dags" / "policies" / "clusterpolicy-sample.yaml", policies)
    instance = AirflowInstance(
        folder / "home",
        dags_folder=ROOT / "dags",
        policies_folder=policies,
        connections={},
        port=free_port(),
        settings={
            ("core", "simple_auth_manager_users"): ",".join(
                f"{name}:{role}" for name, role in PEOPLE.items()
            )
        },
        components=("api-server", "scheduler", "dag-processor"),
    )
    with instance:
        instance.wait_dag("migrate.clusterpolicy-sample")
        fill(instance.url, token=sign_in(instance, person="admin"))
        yield instance


def sign_in(airflow: AirflowInstance, *, person: str) -> str:
    """A token by Airflow's own sign-in."""
    passwords = json.loads((airflow.state_dir / "passwords.json").read_text())
    login = {"username": person, "password": passwords[person]}
    return str(httpx.post(f"{airflow.url}/auth/token", json=login).json()["access_token"])


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The distribution's own browser: nothing is downloaded."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(airflow: AirflowInstance, chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """A person in front of a browser of their own; what went wrong in it fails the test."""
    made: list[tuple[BrowserContext, Visitor]] = []

    def visit(person: str | None = "admin", *, theme: str = "light", width: int = 1280) -> Visitor:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, timezone_id="Europe/Berlin", locale="en"
        )
        context.set_default_timeout(30_000)
        if person is not None:
            token = sign_in(airflow, person=person)
            context.add_cookies([{"name": "_token", "value": token, "url": airflow.url}])
        context.add_init_script(f"localStorage.theme ??= '{theme}'")
        page: Page = context.new_page()
        visitor = Visitor(page, url=airflow.url)
        made.append((context, visitor))
        return visitor

    yield visit
    for context, visitor in made:
        visitor.check()
        context.close()
