"""The form of a DAG as the page shows it, sent to Airflow itself."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from lab.airflow import AirflowInstance
from tests.browser.seed import POLICY, SOURCE, TARGET
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]
BY_HAND = ("migrate", "failover", "failback", "retention")


@pytest.mark.parametrize("dag", BY_HAND)
def test_each_form_has_its_choices_its_help_and_a_dry_run_first(visit: Visit, dag: str) -> None:
    visitor = visit().open(f"start?dag={dag}.{POLICY}")
    first = visitor.main.get_by_role("button").first
    expect(first).to_have_text("Dry run")
    for field in visitor.main.locator(".field").all():
        expect(field.locator(".help").first).not_to_be_empty()
    for select in visitor.main.locator("select").all():
        assert select.locator("option:not([value=''])").count() > 0
    assert visitor.serious_findings() == []
    visitor.page.set_viewport_size({"width": 360, "height": 740})
    assert visitor.overflow() == 0


def test_what_the_address_names_is_filled_in(visit: Visit) -> None:
    visitor = visit().open(f"start?dag=failover.{POLICY}&cluster={SOURCE}&target={TARGET}")
    expect(visitor.page.get_by_label("Lost cluster")).to_have_value(SOURCE)
    expect(visitor.page.get_by_label("Target")).to_have_value(TARGET)
    visitor.open(f"start?dag=failover.{POLICY}&cluster=elsewhere")
    expect(visitor.main).to_contain_text("elsewhere is not among the choices")


def test_a_dry_run_is_started_by_airflow_and_followed(
    visit: Visit, airflow: AirflowInstance
) -> None:
    airflow.unpause(f"migrate.{POLICY}")
    visitor = visit("uma").open(f"start?dag=migrate.{POLICY}&package=video")
    visitor.page.get_by_role("button", name="Dry run").click()
    outcome = visitor.main.locator(".outcome")
    # the clusters of the sample policy do not exist, so its plan fails, and says where to read why
    expect(outcome.locator(".badge")).to_have_text(re.compile("Failed"), timeout=90_000)
    run = outcome.locator("a[data-airflow]").inner_text()
    conf = airflow.rest("GET", f"dags/migrate.{POLICY}/dagRuns/{run}")["conf"]
    assert conf == {"package": "video", "target": "automatic", "dry_run": True}


def test_who_may_not_start_it_sees_the_form_and_no_button(visit: Visit) -> None:
    visitor = visit("vera").open(f"start?dag=migrate.{POLICY}&package=video")
    expect(visitor.main).to_contain_text("You may look")
    expect(visitor.main.get_by_role("button")).to_have_count(0)


def test_what_airflow_refuses_is_said(visit: Visit) -> None:
    visitor = visit()
    visitor.expected_failures = re.compile("400|422")
    visitor.open(f"start?dag=failover.{POLICY}")
    visitor.page.get_by_label("Target").evaluate("field => field.options[0].value = 'nowhere'")
    visitor.page.get_by_role("button", name="Dry run").click()
    expect(visitor.main.locator(".outcome")).to_contain_text("Not started.")
    expect(visitor.main.locator(".outcome")).to_contain_text("nowhere")


def test_a_dag_that_is_not_there_is_said(visit: Visit) -> None:
    visitor = visit()
    visitor.expected_failures = re.compile("404")
    visitor.open("start?dag=nothing")
    expect(visitor.page.locator("h1")).to_have_text("Not found")
