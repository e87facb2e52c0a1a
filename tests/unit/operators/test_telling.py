"""Telling the catalogue is a courtesy; measuring and following are too."""

from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_transition import metrics, outside
from airflow_transition.core.catalogue import Told
from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.operators.measuring import measure_point, measure_transition
from airflow_transition.operators.telling import AT_ONCE, tell
from airflow_transition.restore_point_asset import restore_point_asset, tell_followers
from airflow_transition.retry_policy import TransitionRetryPolicy
from tests.unit.catalogue.fleet import restore_point, transition


class FakeHook:
    client = None

    def __init__(self, *, error: Exception | None = None, gate: Event | None = None) -> None:
        self.error = error
        self.gate = gate
        self.told: list[Told] = []
        self.done = Event()

    def tell(self, told: Told) -> None:
        if self.gate is not None:
            self.gate.wait()
        if self.error:
            raise self.error
        self.told.append(told)
        self.done.set()


@pytest.mark.parametrize("error", [RuntimeError("x"), TemporaryError("x", where="y", do="z")])
def test_whatever_goes_wrong_the_task_goes_on(
    monkeypatch: pytest.MonkeyPatch, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outside, "catalogue", lambda: FakeHook(error=error))
    tell(Told)
    assert "the catalogue is not told" in caplog.text


def test_what_cannot_be_put_into_words_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = FakeHook()
    monkeypatch.setattr(outside, "catalogue", lambda: hook)

    def broken() -> Told:
        raise ValueError("no words")

    tell(broken)
    assert hook.told == []


def test_nobody_waits_where_there_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Event()
    hook = FakeHook(gate=gate)
    monkeypatch.setattr(outside, "catalogue", lambda: hook)
    tell(Told, patience=AT_ONCE)
    assert hook.told == []
    gate.set()
    assert hook.done.wait(30)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, dict[str, str]]]:
    """What Airflow's metrics are given."""
    seen: list[tuple[str, Any, dict[str, str]]] = []

    def take(name: str, value: Any = 1, *, tags: dict[str, str]) -> None:
        seen.append((name, value, tags))

    for call in ("incr", "gauge", "timing"):
        monkeypatch.setattr(metrics.stats, call, take)
    return seen


def test_a_restore_point_is_measured(sent: list[tuple[str, Any, dict[str, str]]]) -> None:
    point = restore_point()
    measure_point(point)
    found = {(name, tags.get("step")): value for name, value, tags in sent}
    assert found["transition.restore_point.created", None] == point.created.timestamp()
    assert found["transition.stored_bytes", None] == 50_000_000
    assert found["transition.step.duration", "upload"] == timedelta(seconds=8)


def test_a_failover_is_measured(sent: list[tuple[str, Any, dict[str, str]]]) -> None:
    measure_transition(transition())
    found = {name: value for name, value, _ in sent}
    assert found["transition.rto"] == timedelta(seconds=31.5)
    assert found["transition.rpo"] == 200
    assert ("transition.transitions", 1) in [(name, value) for name, value, _ in sent]


def test_failures_are_counted_by_their_names(
    sent: list[tuple[str, Any, dict[str, str]]],
) -> None:
    class LostError(PermanentError):
        pass

    policy = TransitionRetryPolicy()
    policy.evaluate(LostError("x", where="y", do="z"), 1, 3)
    policy.evaluate(TemporaryError("x", where="y", do="z"), 1, 3)
    tags = [tags for name, _, tags in sent if name == "transition.failures"]
    assert tags == [
        {"error": "LostError", "lasting": "true"},
        {"error": "TemporaryError", "lasting": "false"},
    ]


def test_metrics_that_cannot_be_sent_fail_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("no such host")

    monkeypatch.setattr(metrics.stats, "gauge", broken)
    metrics.gauge(metrics.LOST, 1.0, policy="web", package="video")
    with pytest.raises(TypeError, match="has the tags"):
        metrics.gauge(metrics.LOST, datetime(2026, 1, 1, tzinfo=UTC), policy="web")


class _Events(dict[Asset, Any]):
    def __missing__(self, asset: Asset) -> Any:
        self[asset] = type("Event", (), {"extra": None})()
        return self[asset]


def test_followers_are_told_names_and_numbers() -> None:
    asset, events, point = restore_point_asset("web", package="video"), _Events(), restore_point()
    context: Any = {"outlet_events": events, "task": type("Task", (), {"outlets": [asset]})}
    tell_followers(context, point=point, key="k.json")
    extra = events[asset].extra
    assert asset.name == "transition-restore-point/web/video"
    assert (extra["restore_point"], extra["key"]) == (point.id, "k.json")
    assert extra["images"] == point.images
    tell_followers({}, point=point, key="k.json")  # type: ignore[typeddict-item]
