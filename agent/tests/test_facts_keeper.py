"""Facts are at hand when a record needs them, and published again until that worked."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from structlog.testing import capture_logs
from transition_agent.errors import AgentError
from transition_agent.facts_keeper import FactsKeeper
from transition_agent.node_facts import measure
from transition_agent.s3_errors import StoreUnreachable
from transition_wire.node_facts import NodeFacts

FACTS = measure(cluster="cluster1-azure", node="node-1", now=datetime(2026, 11, 23, tzinfo=UTC))


class _Run:
    """A keeper whose measurements and publications are scripted, until both are used up."""

    def __init__(self, measured: list[object], published: list[object]) -> None:
        self.stop = threading.Event()
        self.published: list[NodeFacts] = []
        self._measured, self._outcomes = iter(measured), iter(published)
        self.keeper = FactsKeeper(
            self._measure,
            publish=self._publish,
            interval=timedelta(milliseconds=1),
            log=structlog.get_logger(),
        )

    def _measure(self) -> NodeFacts:
        return _outcome(self._measured, self.stop)

    def _publish(self, facts: NodeFacts) -> None:
        _outcome(self._outcomes, self.stop)
        self.published.append(facts)


def _outcome(script: Iterator[object], stop: threading.Event) -> NodeFacts:
    outcome = next(script, None)
    if outcome is None:
        stop.set()
        return FACTS
    if isinstance(outcome, Exception):
        raise outcome
    assert isinstance(outcome, NodeFacts)
    return outcome


def test_facts_are_published_again_after_any_failure() -> None:
    away = StoreUnreachable("no answer", where="S3", do="wait")
    run = _Run([FACTS, FACTS, FACTS], [away, RuntimeError("a fault"), FACTS])
    with capture_logs() as lines:
        run.keeper.run(run.stop)
    assert run.published[0] == FACTS
    assert [line["event"] for line in lines[:3]] == [
        "node facts measured",
        "node facts not published, trying again",
        "node facts not published by a fault of the agent",
    ]


def test_a_change_is_named() -> None:
    changed = FACTS.model_copy(update={"criu": "4.3", "measured": datetime.now(UTC)})
    run = _Run([FACTS, changed, FACTS], [FACTS, FACTS])
    with capture_logs() as lines:
        run.keeper.run(run.stop)
    assert {"event": "node facts changed", "changed": ["criu"], "log_level": "info"} in lines


def test_whoever_needs_facts_that_cannot_be_measured_is_told() -> None:
    stop = threading.Event()

    def fail() -> NodeFacts:
        stop.set()
        raise OSError("no /proc")

    keeper = FactsKeeper(
        fail, publish=lambda _: None, interval=timedelta(hours=1), log=structlog.get_logger()
    )
    with capture_logs():
        keeper.run(stop)
    with pytest.raises(AgentError, match="facts are not known"):
        keeper.current()
