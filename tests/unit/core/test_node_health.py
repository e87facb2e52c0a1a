"""What silence proves, and for how long the receiver has to listen before it proves anything."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_transition.core.health_report import Health
from airflow_transition.core.node_health import Listening, next_change, node_health

GRACE = 20.0


def health(
    last_seen: float | None, *, now: float, since: float = 0.0, known: bool = True
) -> Health:
    return node_health(last_seen, listening_since=since, now=now, grace_seconds=GRACE, known=known)


def test_a_node_is_ready_until_the_grace_period_is_over() -> None:
    assert health(100, now=100) is Health.READY
    assert health(100, now=119.999) is Health.READY


def test_a_silent_node_is_not_ready_after_the_grace_period() -> None:
    assert health(100, now=120) is Health.NOT_READY


def test_a_node_that_was_never_seen_is_unknown_however_long_the_receiver_listens() -> None:
    assert health(None, now=1e9, known=False) is Health.UNKNOWN


def test_after_a_restart_silence_proves_nothing_for_a_grace_period() -> None:
    assert health(None, since=1000, now=1019.9) is Health.UNKNOWN
    assert health(None, since=1000, now=1020) is Health.NOT_READY


def test_a_node_heard_from_since_the_restart_is_judged_by_its_own_silence() -> None:
    assert health(1005, since=1000, now=1024.9) is Health.READY
    assert health(1005, since=1000, now=1025) is Health.NOT_READY


def test_a_node_heard_from_before_a_pause_is_ready_while_its_grace_period_lasts() -> None:
    assert health(100, since=110, now=119) is Health.READY


def test_a_node_whose_grace_period_ended_in_a_pause_is_unknown_until_it_was_listened_for() -> None:
    assert health(100, since=119, now=121) is Health.UNKNOWN
    assert health(100, since=119, now=139) is Health.NOT_READY


def test_a_receiver_that_ticks_in_time_listens_from_its_start() -> None:
    listening = Listening.begin(50, longest_gap=1)
    for now in (50.5, 51.5, 52):
        assert not listening.paused_at(now)
        listening = listening.tick(now)
    assert listening.since_at(52.9) == 50


def test_a_late_tick_is_a_pause_and_listening_begins_anew() -> None:
    listening = Listening.begin(50, longest_gap=1).tick(50.5)
    assert listening.paused_at(60)
    assert listening.tick(60).since == 60


def test_a_judgement_before_the_first_tick_after_a_pause_knows_of_the_pause() -> None:
    listening = Listening.begin(50, longest_gap=1)
    assert listening.since_at(80) == 80
    assert health(55, since=listening.since_at(80), now=80) is Health.UNKNOWN


def test_a_pause_shorter_than_the_grace_period_leaves_nodes_ready_that_were_heard_since() -> None:
    listening = Listening.begin(0).tick(0.5).tick(10)
    assert health(10.1, since=listening.since_at(10.2), now=10.2) is Health.READY


MOMENTS = st.floats(min_value=0, max_value=1e6, allow_nan=False)


@dataclass(frozen=True)
class Node:
    last_seen: float | None
    since: float
    known: bool

    def health(self, now: float) -> Health:
        return health(self.last_seen, since=self.since, now=now, known=self.known)

    def next_change(self, now: float) -> float | None:
        return next_change(
            self.last_seen,
            listening_since=self.since,
            now=now,
            grace_seconds=GRACE,
            known=self.known,
        )


@given(MOMENTS, MOMENTS)
def test_no_gap_shorter_than_the_grace_period_is_ever_a_silence(seen: float, since: float) -> None:
    for share in (0, 0.3, 0.999):
        assert health(seen, since=since, now=seen + share * GRACE) is Health.READY


@given(st.builds(Node, st.none() | MOMENTS, MOMENTS, st.just(value=True)), MOMENTS)
def test_not_ready_means_a_grace_period_of_silence_that_was_listened_to(
    node: Node, now: float
) -> None:
    if node.health(now) is Health.NOT_READY:
        assert now >= node.since + GRACE
        assert node.last_seen is None or now >= node.last_seen + GRACE


@given(st.builds(Node, st.none() | MOMENTS, MOMENTS, st.booleans()), MOMENTS)
def test_health_changes_first_at_the_announced_moment(node: Node, now: float) -> None:
    moment, before = node.next_change(now), node.health(now)
    if moment is None:
        assert node.health(now + 1e9) is before
        return
    assert moment > now
    middle = now + (moment - now) / 2
    assert middle >= moment or node.health(middle) is before


@pytest.mark.parametrize("last_seen", [None, 100.0])
def test_waiting_from_change_to_change_ends_at_not_ready(last_seen: float | None) -> None:
    node, now = Node(last_seen, since=115, known=True), 116.0
    seen = [node.health(now)]
    while (moment := node.next_change(now)) is not None:
        now = moment
        seen.append(node.health(now))
    assert seen[-1] is Health.NOT_READY
    assert now == 135
