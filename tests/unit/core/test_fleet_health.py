"""A receiver that lost its own network must not move the world."""

from datetime import UTC, datetime

import pytest

from airflow_transition.core.fleet_health import SilentShare, silent_share
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health, NodeReport

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GRACE = 20.0


def fleet(trusted: bool = True, **silences: float | None) -> FleetReport:
    """Clusters with one agent each, silent for so long; None: not since the receiver listens."""
    clusters = tuple(
        ClusterReport(
            cluster=name,
            epoch=1,
            nodes=(
                NodeReport(
                    node="n1",
                    health=Health.READY
                    if silence is not None and silence < GRACE
                    else Health.NOT_READY,
                    silent_seconds=silence,
                    trusted=trusted,
                    last_seen=NOON,
                ),
            ),
        )
        for name, silence in silences.items()
    )
    return FleetReport(version=1, grace_seconds=GRACE, listening_seconds=900, clusters=clusters)


def share(**silences: float | None) -> SilentShare:
    return silent_share(fleet(**silences), cluster="lost")


def test_one_of_one_or_two_is_never_too_many() -> None:
    assert not share(lost=21).too_many(1)
    assert not share(lost=21, other=3).too_many(1)


def test_two_of_two_are_too_many() -> None:
    assert share(lost=21, other=20.5).too_many(50)
    assert not share(lost=21, other=20.5).too_many(100)


@pytest.mark.parametrize(("percent", "too_many"), [(33, True), (34, False), (50, False)])
def test_of_three_clusters_one_is_a_third(percent: int, too_many: bool) -> None:
    assert share(lost=21, b=1, c=2).too_many(percent) is too_many


def test_half_of_them_is_not_more_than_half() -> None:
    assert not share(lost=21, b=22, c=1, d=2).too_many(50)
    assert share(lost=21, b=22, c=23, d=2).too_many(50)


def test_when_the_first_cluster_is_judged_silent_the_others_only_look_quiet() -> None:
    found = share(lost=20, b=14, c=11)
    assert found.quiet == ("b", "c")
    assert not found.too_many(50)
    assert found.perhaps_too_many(50)


def test_a_cluster_heard_within_almost_half_the_grace_period_is_not_quiet() -> None:
    assert not share(lost=20, b=8.9, c=1).quiet


@pytest.mark.parametrize("late", [0.0, 0.25, 0.5])
def test_two_clusters_that_fall_silent_with_the_network_are_never_taken_for_one(
    late: float,
) -> None:
    """The interval is 10 s: what the lost one should have sent then, and the other did, is the last
    that came through, up to half a second late."""
    assert share(lost=GRACE, other=GRACE - 10 - late).perhaps_too_many(50)


def test_clusters_that_were_silent_before_say_nothing_of_the_receivers_network() -> None:
    found = share(lost=21, dead=86_400, b=3)
    assert found.silent == ("lost",)
    assert found.known == 2
    assert not found.too_many(50)


def test_a_receiver_without_a_network_is_told_however_long_it_lasts() -> None:
    assert share(lost=3600, b=3609, c=3591).too_many(50)


def test_after_a_restart_nobody_knows_who_was_silent_before() -> None:
    assert share(lost=None, dead=None, b=3).too_many(50)
    assert not share(lost=21, dead=None, b=3).too_many(50)


def test_clusters_without_a_token_do_not_count() -> None:
    guides = fleet(trusted=False, guide1=1, guide2=2)
    both = fleet(lost=21, b=3).model_copy(
        update={"clusters": (*fleet(lost=21, b=3).clusters, *guides.clusters)}
    )
    assert silent_share(both, cluster="lost").known == 2


def test_the_cluster_in_question_counts_as_silent_although_only_some_of_its_agents_are() -> None:
    assert share(lost=1, b=21).silent == ("b", "lost")
