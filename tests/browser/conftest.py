"""One Airflow and one browser for all tests; a browser profile for each."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from lab.airflow import AirflowInstance
from tests.browser.stage import chromium, filled_airflow, new_visitor
from tests.browser.visitor import Visitor

expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowInstance]:
    with filled_airflow(tmp_path_factory.mktemp("browser")) as instance:
        yield instance


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def visit(airflow: AirflowInstance, browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """A person in front of a browser; what went wrong in it fails the test."""
    made: list[tuple[BrowserContext, Visitor]] = []

    def visit(person: str | None = "admin", *, theme: str = "light", width: int = 1280) -> Visitor:
        made.append(new_visitor(browser, airflow=airflow, person=person, theme=theme, width=width))
        return made[-1][1]

    yield visit
    for context, visitor in made:
        visitor.check()
        context.close()
