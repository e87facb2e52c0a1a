"""Every page of a filled product: light and dark, wide and narrow, seen and listened to."""

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from lab.airflow import AirflowInstance
from tests.browser.seed import POLICY, SOURCE, TARGET, beat, new_token, signed_in
from tests.browser.stage import sign_in
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]

OF_VIDEO = f"policy={POLICY}&package=video"
PAGES = {
    "fleet": "Fleet",
    f"cluster?name={SOURCE}": SOURCE,
    "packages": "Packages",
    f"package?{OF_VIDEO}": "video",
    f"restore-points?{OF_VIDEO}": "Restore points",
    "transitions": "Transitions",
    f"transition?id={quote(f'{POLICY}/{SOURCE}@3')}": f"Failover {SOURCE} → {TARGET}",
    f"start?dag=migrate.{POLICY}&package=video": f"migrate.{POLICY}",
}
NARROW = 360


@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_be_seen_and_listened_to(visit: Visit, path: str) -> None:
    visitor = visit(theme="light").open(path)
    expect(visitor.page.locator("h1")).to_have_text(PAGES[path])
    assert visitor.serious_findings() == []
    visitor.page.evaluate(
        "localStorage.theme = 'dark'; dispatchEvent(new StorageEvent('storage', {key: 'theme'}))"
    )
    expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")
    assert visitor.serious_findings() == []
    visitor.page.set_viewport_size({"width": NARROW, "height": 740})
    assert visitor.overflow() == 0
    assert visitor.serious_findings() == []


def test_the_newest_restore_point_is_found_from_its_package(visit: Visit) -> None:
    visitor = visit().open(f"package?{OF_VIDEO}")
    link = visitor.main.locator("dd a[href^='restore-point?']")
    link.first.click()
    expect(visitor.page.locator("h1")).to_contain_text("video, ")
    visitor.settled()
    assert visitor.serious_findings() == []
    visitor.page.set_viewport_size({"width": NARROW, "height": 740})
    assert visitor.overflow() == 0


def test_a_cluster_that_begins_to_be_heard_appears_without_reloading(
    visit: Visit, airflow: AirflowInstance
) -> None:
    visitor = visit().open("fleet")
    visitor.page.evaluate("window.stood = true")
    with signed_in(airflow.url, token=sign_in(airflow, person="admin")) as client:
        token = new_token(client, "newcomer", "node-a")
        beat(client, cluster="newcomer", node="node-a", token=token)
    expect(visitor.main.get_by_role("rowheader", name="newcomer")).to_be_visible(timeout=60_000)
    assert visitor.page.evaluate("window.stood") is True


def test_a_search_is_asked_of_the_server_and_stands_in_the_address(visit: Visit) -> None:
    visitor = visit().open("packages")
    rows = visitor.main.locator("tbody tr")
    expect(rows).to_have_count(50)
    visitor.page.get_by_role("link", name="Next page").click()
    expect(rows).to_have_count(11)
    visitor.page.get_by_label("Search packages").fill("worker-4")
    expect(rows).to_have_count(10)
    assert "q=worker-4" in visitor.page.url
    visitor.page.reload()
    expect(rows).to_have_count(10)
    expect(visitor.page.get_by_label("Search packages")).to_have_value("worker-4")


def test_a_state_narrows_the_list(visit: Visit) -> None:
    visitor = visit().open("packages")
    visitor.page.get_by_role("link", name="1 Late").click()
    expect(visitor.main.locator("tbody tr")).to_have_count(1)
    expect(visitor.main.locator("tbody th")).to_contain_text("worker-00")
    visitor.settled().open("transitions")
    visitor.page.get_by_label("State").select_option("failed")
    expect(visitor.main.locator("table[role=table] >> nth=0").locator("tbody tr")).to_have_count(1)


def test_a_failed_transition_says_what_to_do_and_where_to_look(visit: Visit) -> None:
    visitor = visit().open(f"transition?id={quote(f'{POLICY}/{SOURCE}@3')}")
    expect(visitor.page.get_by_role("region", name="What to do next")).to_contain_text("kubectl")
    expect(visitor.main).to_contain_text("2 of 2 agents silent for 21 s")
    expect(visitor.main.locator("svg.bar.failed")).to_have_count(1)
    expect(visitor.main).to_contain_text("olga")
    run = visitor.main.locator("a[data-airflow]")
    assert "/dags/failover.clusterpolicy-sample/runs/" in str(run.get_attribute("href"))


def test_pictures_have_their_numbers_as_tables(visit: Visit) -> None:
    visitor = visit().open(f"package?{OF_VIDEO}")
    for name in ("RPO over the last day", "Bytes per restore point", "Seconds per step"):
        figure = visitor.main.locator("figure", has_text=name)
        expect(figure.get_by_role("img")).to_have_attribute("aria-label", _begins(name))
        figure.locator("summary").click()
        expect(figure.get_by_role("table", name=name)).to_be_visible()
        expect(figure.locator("tbody tr >> nth=0")).to_be_visible()
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
    inked = f"canvas => {{ const f = {drawn}; return f(canvas).data.some((byte) => byte > 0) }}"
    for canvas in visitor.main.locator("canvas").all():
        assert canvas.evaluate(inked) is True


def test_times_are_in_the_zone_that_was_chosen_in_airflow(visit: Visit) -> None:
    visitor = visit().open(f"restore-points?{OF_VIDEO}")
    first = visitor.main.locator("tbody th time >> nth=0")
    hours = "element => [Number(element.textContent.slice(11, 13)), element.dateTime]"
    berlin, moment = first.evaluate(hours)
    visitor.page.evaluate(
        "localStorage.timezone = JSON.stringify('Asia/Seoul');"
        "dispatchEvent(new StorageEvent('storage', {key: 'timezone'}))"
    )
    seoul, same = first.evaluate(hours)
    assert moment == same
    assert (seoul - berlin) % 24 in {7, 8}


def _begins(text: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(text)}")
