"""Each page when there is nothing, one, much, nobody who may, and no server."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from airflow_transition.catalogue.fleet_views import Standing
from airflow_transition.catalogue.package_views import Protection
from airflow_transition.core.catalogue import TransitionState
from tests.browser import answers
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]

EMPTY: dict[str, tuple[str, Any]] = {
    "fleet": ("fleet", answers.fleet()),
    "packages": ("packages", answers.packages()),
    "restore-points": ("restore-points", answers.points()),
    "transitions": ("transitions", answers.transitions()),
}


@pytest.mark.parametrize("name", EMPTY)
def test_where_there_is_nothing_yet_the_page_says_how_it_begins(visit: Visit, name: str) -> None:
    visitor = visit(width=360)
    visitor.answer(*EMPTY[name][:1], body=EMPTY[name][1])
    visitor.answer("series/downtime", body=answers.downtime(some=False))
    visitor.open(name)
    expect(visitor.main.locator(".empty").first).to_contain_text("yet")
    assert visitor.serious_findings() == []
    assert visitor.overflow() == 0


@pytest.mark.parametrize("name", EMPTY)
def test_a_search_that_finds_nothing_can_be_taken_back(visit: Visit, name: str) -> None:
    visitor = visit()
    visitor.answer(name, body=EMPTY[name][1])
    visitor.open(f"{name}?q=nothing")
    expect(visitor.main).to_contain_text("fit this search")
    visitor.main.get_by_role("link", name="Show all").click()
    visitor.page.wait_for_url(re.compile(rf"/{name}\??$"))


@pytest.mark.parametrize(
    ("status", "says"),
    [(403, "Not allowed"), (404, "Not found"), (503, "Not available"), (401, "Signed out")],
)
@pytest.mark.parametrize("name", ["fleet", "package", "transition"])
def test_a_refusal_says_what_it_is_and_what_to_do(
    visit: Visit, name: str, status: int, says: str
) -> None:
    visitor = visit(width=360, theme="dark")
    visitor.answer(name, status=status, body={"detail": "said by the server"})
    visitor.answer("series/(rpo|cost)", status=status, body={"detail": "said by the server"})
    visitor.open(f"{name}?policy=x&package=y&id=z")
    expect(visitor.page.locator("h1")).to_have_text(says)
    expect(visitor.page.get_by_role("alert")).to_contain_text("said by the server")
    assert visitor.serious_findings() == []


def test_what_is_shown_stays_when_the_server_goes_away(visit: Visit) -> None:
    visitor = visit()
    visitor.expected_failures = re.compile("Failed to load resource")
    visitor.answer("fleet", body=answers.fleet(Standing.READY))
    visitor.answer("version", status=503, body={"detail": "the database is away"})
    visitor.open("fleet")
    expect(visitor.page.locator("#freshness")).to_contain_text("the database is away")
    expect(visitor.main.get_by_role("rowheader", name="cluster1")).to_be_visible()
    assert visitor.serious_findings() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_standing_stands_out_by_word_and_sign(visit: Visit, theme: str) -> None:
    visitor = visit(theme=theme)
    visitor.answer("fleet", body=answers.fleet(*Standing))
    visitor.open("fleet")
    for word in ("Silent", "Fenced", "On probation", "Degraded", "Unknown", "Never heard"):
        expect(visitor.main.locator("tbody .badge", has_text=word)).to_be_visible()
    assert visitor.serious_findings() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_protection_and_state_is_readable(visit: Visit, theme: str) -> None:
    visitor = visit(theme=theme, width=360)
    views = [answers.package(each.value, each) for each in Protection]
    visitor.answer("packages", body=answers.packages(*views))
    visitor.open("packages")
    expect(visitor.main.locator("tbody .badge")).to_have_count(len(views))
    assert visitor.serious_findings() == []
    assert visitor.overflow() == 0
    rows = [answers.transition(each, number=number) for number, each in enumerate(TransitionState)]
    visitor.answer("transitions", body=answers.transitions(*rows))
    visitor.open("transitions")
    expect(visitor.main.locator("tbody .badge")).to_have_count(len(rows))
    assert visitor.serious_findings() == []
    assert visitor.overflow() == 0


def test_many_are_shown_a_page_at_a_time(visit: Visit) -> None:
    visitor = visit()
    standings = [Standing.READY] * 200
    visitor.answer("fleet", body=answers.fleet(*standings, total=1000))
    visitor.open("fleet")
    expect(visitor.main.locator("tbody tr")).to_have_count(200)
    expect(visitor.page.get_by_role("navigation", name="Pages")).to_contain_text("of 1,000")
    expect(visitor.page.get_by_role("link", name="Next page")).to_be_visible()


def test_names_are_only_ever_text(visit: Visit) -> None:
    visitor = visit()
    hostile = answers.package(answers.HOSTILE)
    visitor.answer("packages", body=answers.packages(hostile))
    visitor.answer("package", body=answers.package_detail(hostile))
    visitor.answer("series/rpo", body=answers.rpo())
    visitor.answer("series/cost", body=answers.cost())
    visitor.open("packages")
    visitor.main.get_by_role("link", name=answers.HOSTILE).click()
    expect(visitor.page.locator("h1")).to_have_text(answers.HOSTILE)
    assert visitor.page.evaluate("window.hacked") is None
    assert visitor.page.locator("main img:not([role])").count() == 0


def test_an_address_that_is_no_web_page_is_no_link(visit: Visit) -> None:
    visitor = visit()
    detail = answers.transition_detail()
    detail["links"][1]["url"] = "javascript:window.hacked=1"
    visitor.answer("transition", body=detail)
    visitor.open("transition?id=x")
    expect(visitor.main.locator("code", has_text="4f2c1a9")).to_be_visible()
    assert visitor.main.locator("a[href^=javascript]").count() == 0


def test_a_restore_point_is_pinned_with_a_reason_and_unpinned(visit: Visit) -> None:
    visitor = visit()
    visitor.answer("restore-point", body=answers.point_detail())
    visitor.open("restore-point?id=x")
    visitor.page.get_by_role("button", name="Pin", exact=True).click()
    expect(
        visitor.page.get_by_role("button", name="Pin", exact=True)
    ).to_be_visible()  # a reason is missing
    visitor.page.get_by_label("Why it is to stay").fill("before the release")
    visitor.answer("pin", body={"by": "olga", "why": "before the release", "pinned": None})
    visitor.answer("restore-point", body=answers.point_detail(answers.point(pinned=True)))
    with visitor.page.expect_request(lambda request: request.method == "PUT") as asked:
        visitor.page.get_by_role("button", name="Pin", exact=True).click()
    assert asked.value.post_data_json == {"why": "before the release"}
    expect(visitor.main).to_contain_text("Pinned: it stays until it is unpinned.")
    with visitor.page.expect_request(lambda request: request.method == "DELETE"):
        visitor.page.get_by_role("button", name="Unpin").click()


def test_a_pin_that_fails_says_why(visit: Visit) -> None:
    visitor = visit()
    visitor.answer("restore-point", body=answers.point_detail())
    visitor.answer("pin", status=502, body={"detail": "S3 is away"})
    visitor.open("restore-point?id=x")
    visitor.page.get_by_label("Why it is to stay").fill("because")
    visitor.page.get_by_role("button", name="Pin", exact=True).click()
    expect(visitor.main.get_by_role("status")).to_contain_text("S3 is away")
