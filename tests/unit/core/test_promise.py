"""How old a restore point may become by the policy's own schedules."""

from datetime import UTC, datetime, timedelta

import pytest

from airflow_transition.core.promise import promise

NOW = datetime(2026, 11, 24, 12, 34, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedules", "longest"),
    [
        (["*/10 * * * *"], timedelta(minutes=10)),
        (["0 9-18 * * 1-5"], timedelta(days=2, hours=15)),  # from Friday evening to Monday morning
        (["@daily"], timedelta(days=1)),
        (["@yearly"], timedelta(days=365)),
        (["0 0 * * *", "0 12 * * *"], timedelta(hours=12)),
        (["*/10 * * * *", "@daily"], timedelta(minutes=10)),
    ],
)
def test_the_promise_is_the_longest_time_between_two_firings(
    schedules: list[str], longest: timedelta
) -> None:
    assert promise(schedules, time_zone="UTC", now=NOW) == longest


def test_without_a_schedule_nothing_is_promised() -> None:
    assert promise([], time_zone="UTC", now=NOW) is None


def test_the_day_with_an_hour_more_counts() -> None:
    assert promise(["0 3 * * *"], time_zone="Europe/Berlin", now=NOW) == timedelta(hours=25)
