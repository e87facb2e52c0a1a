"""What the benchmark `false-failovers` simulates is what it says, and it can fail."""

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from airflow_transition.core.cluster_health import ApiSign, ClusterVerdict, SecondSignal
from benchmarks.faults import decisions, healthy, real
from benchmarks.faults.heartbeats import LIFE_SECONDS, Arrivals, Setting, silences


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - no secret


GUIDE, FAST = Setting(interval=10, grace=20), Setting(interval=1, grace=3)
SETTINGS = pytest.mark.parametrize("setting", [GUIDE, FAST], ids=str)


def drawn(setting: Setting, *, random: Random) -> tuple[int, float]:
    """Number and sum of a node's silences in an hour, drawn at once."""
    found = list(silences(setting, started=0, ended=LIFE_SECONDS, random=random))
    return len(found), sum(one.heard_again - (one.last_seen or 0) for one in found)


def counted(setting: Setting, *, random: Random) -> tuple[int, float]:
    """The same, beat by beat."""
    arrivals = Arrivals.draw(setting, begin=0, end=LIFE_SECONDS, random=random)
    heard = [0.0, *arrivals.moments, LIFE_SECONDS]
    gaps = [after - before for before, after in pairwise(heard)]
    silent = [gap for gap in gaps if gap >= setting.grace]
    return len(silent), sum(silent)


@SETTINGS
def test_silences_drawn_at_once_are_those_of_single_heartbeats(setting: Setting) -> None:
    def totals(one: Callable[..., tuple[int, float]], *, seed: int) -> tuple[int, float]:
        random = chance(seed)
        hours = [one(setting, random=random) for _ in range(400)]
        return sum(number for number, _ in hours), sum(seconds for _, seconds in hours)

    at_once, beat_by_beat = totals(drawn, seed=1), totals(counted, seed=2)
    assert at_once[0] == pytest.approx(beat_by_beat[0], rel=0.06)
    assert at_once[1] == pytest.approx(beat_by_beat[1], rel=0.06)


def lost_by_silence_alone(*arguments: Any, second: SecondSignal) -> ClusterVerdict:
    return decisions.judge(*arguments, second=SecondSignal(ApiSign.SILENT))


def never_lost(*arguments: Any, second: SecondSignal) -> ClusterVerdict:
    return decisions.judge(*arguments, second=SecondSignal(ApiSign.ANSWERS))


@SETTINGS
def test_live_clusters_are_not_moved(setting: Setting) -> None:
    tally = healthy.live(setting, clusters=2, hours=50, seed=1)
    assert tally.node_hours == 300
    assert tally.silent_nodes > 1000
    assert tally.false_failovers == 0


def test_a_decision_by_silence_alone_would_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthy, "judge", lost_by_silence_alone)
    tally = healthy.live(GUIDE, clusters=2, hours=2000, seed=1)
    assert tally.silent_clusters
    assert tally.false_failovers


@SETTINGS
def test_what_dies_is_found_when_the_grace_period_is_over(setting: Setting) -> None:
    found = [real.lose_cluster(setting, random=chance(seed)) for seed in range(20)]
    assert min(one.beyond_grace for one in found) >= 0
    found = [real.lose_node(setting, random=chance(seed)) for seed in range(20)]
    assert min(one.from_fault for one in found) >= real.KUBERNETES_SECONDS


def test_a_fault_that_is_not_found_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real, "judge", never_lost)
    with pytest.raises(RuntimeError, match="a cluster that died was not found"):
        real.lose_cluster(GUIDE, random=chance(1))
    with pytest.raises(RuntimeError, match="a node that died was not found"):
        real.lose_node(GUIDE, random=chance(1))
