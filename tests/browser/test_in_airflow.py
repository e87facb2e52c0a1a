"""The page where people meet it: in Airflow's navigation, with Airflow's sign-in."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from lab.airflow import AirflowInstance
from tests.browser.seed import POLICY, SOURCE
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]
ANY = re.compile("")
"""Pages of Airflow itself log what is not ours."""
FRAME = "iframe[title=Transition]"


def test_it_is_in_the_navigation_and_links_lead_out_of_the_frame(visit: Visit) -> None:
    visitor = visit()
    visitor.expected_failures = ANY
    page = visitor.page
    page.goto(visitor.url)
    page.get_by_role("link", name="Transition").click()
    frame = page.frame_locator(FRAME)
    expect(frame.locator("h1")).to_have_text("Fleet")
    frame.get_by_role("link", name="Transitions").click()
    expect(frame.locator("h1")).to_have_text("Transitions")
    page.wait_for_url("**/plugin/transition/transition/page/transitions")
    frame.locator("tbody th a").first.click()
    frame.locator("a[data-airflow]").first.click()
    page.wait_for_url(f"**/dags/failover.{POLICY}/runs/**")


def test_an_address_leads_to_the_page_in_the_frame(visit: Visit) -> None:
    visitor = visit(theme="dark")
    visitor.expected_failures = ANY
    visitor.page.goto(f"{visitor.url}/plugin/transition/transition/page/cluster?name={SOURCE}")
    frame = visitor.page.frame_locator(FRAME)
    expect(frame.locator("h1")).to_have_text(SOURCE)
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_search_in_the_frame_can_be_sent_to_somebody(visit: Visit) -> None:
    visitor = visit()
    visitor.expected_failures = ANY
    visitor.page.goto(f"{visitor.url}/plugin/transition/transition/page/packages")
    frame = visitor.page.frame_locator(FRAME)
    frame.get_by_label("Search packages").fill("worker-4")
    visitor.page.wait_for_url(
        re.compile(r"/plugin/transition/transition/page/packages\?q=worker-4$")
    )
    visitor.page.reload()
    expect(frame.locator("tbody tr")).to_have_count(10)


def test_whoever_is_not_signed_in_is_sent_to_sign_in(visit: Visit) -> None:
    visitor = visit(None)
    visitor.expected_failures = ANY
    visitor.page.goto(f"{visitor.url}/transition/page/packages?q=video")
    visitor.page.wait_for_url("**/auth/login**")
    assert "transition%2Fpage%2Fpackages" in visitor.page.url


@pytest.mark.parametrize(("person", "acts"), [("vera", False), ("uma", True)])
def test_only_who_may_trigger_dags_sees_buttons_that_do(
    visit: Visit, airflow: AirflowInstance, person: str, acts: bool
) -> None:
    visitor = visit(person).open(f"package?policy={POLICY}&package=video")
    expect(visitor.main.get_by_role("link", name="Fail over its cluster")).to_have_count(int(acts))
    visitor.main.locator("dd a[href^='restore-point?']").first.click()
    expect(visitor.page.locator("h1")).to_contain_text("video, ")
    visitor.settled()
    expect(visitor.main.get_by_role("link", name="Restore this one")).to_have_count(int(acts))
    expect(visitor.main.get_by_role("button", name="Pin", exact=True)).to_have_count(int(acts))
