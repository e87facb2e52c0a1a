"""The heart beats at every interval, tells what is new, and does not press who refuses."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs
from transition_agent.archives import Wake
from transition_agent.heartbeat_metrics import HeartbeatMetrics
from transition_agent.heartbeats import Heart
from transition_agent.node_facts import measure
from transition_agent.node_signs import NodeSigns
from transition_agent.orders import PackageKey
from transition_agent.receiver import MOST_BODY_BYTES, Receiver
from transition_agent.receiver_token import ReceiverToken
from transition_wire.heartbeat import (
    Heartbeat,
    HeartbeatReply,
    HeldLease,
    RunningContainer,
)

INTERVAL = timedelta(seconds=1)
FACTS = measure(cluster="cluster1", node="node-1", now=datetime(2026, 11, 24, tzinfo=UTC))
WEB = PackageKey("shop", "web")


@dataclass
class FakeWarden:
    """Notes the order of what the heart asks of it."""

    more: bool = False
    fences: tuple[str, ...] = ()
    leases: tuple[HeldLease, ...] = ()
    calls: list[str] = field(default_factory=list)
    replies: list[HeartbeatReply] = field(default_factory=list)

    def prepare(self) -> Mapping[PackageKey, float]:
        self.calls.append("prepare")
        return {WEB: 7.0}

    def take(self, reply: HeartbeatReply, *, prepared: Mapping[PackageKey, float]) -> bool:
        assert prepared == {WEB: 7.0}
        self.calls.append("take")
        self.replies.append(reply)
        return self.more

    def fenced(self) -> tuple[str, ...]:
        return self.fences

    def held(self) -> tuple[HeldLease, ...]:
        return self.leases


@dataclass
class Clock:
    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Bed:
    """One heart in front of one real HTTP server."""

    server: HTTPServer
    clock: Clock = field(default_factory=Clock)
    warden: FakeWarden = field(default_factory=FakeWarden)
    stop: threading.Event = field(default_factory=threading.Event)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.signs = NodeSigns(cluster="cluster1", node="node-1", interval=INTERVAL, now=self.clock)
        self.wake = Wake(self.stop)
        self.heart = Heart(
            Receiver(
                self.server.url_for("/heartbeat"),
                token=ReceiverToken(value="token"),
                ca_file=None,
                timeout=timedelta(seconds=5),
            ),
            signs=self.signs,
            warden=self.warden,
            interval=INTERVAL,
            wake=self.wake,
            metrics=HeartbeatMetrics(self.registry),
            log=structlog.get_logger(),
            now=self.clock,
        )

    def answers(self, *statuses: int) -> None:
        self.server.clear()
        for status in statuses:
            body: dict[str, Any] = {"epoch": 4} if status == 200 else {"detail": "no"}
            self.server.expect_ordered_request("/heartbeat").respond_with_json(body, status=status)

    def beats(self, count: int) -> list[timedelta]:
        return [self.heart.beat() for _ in range(count)]

    @property
    def sent(self) -> list[Heartbeat]:
        bodies = [request.get_data() for request, _ in self.server.log]
        return [Heartbeat.model_validate_json(body) for body in bodies]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def bed(httpserver: HTTPServer) -> Bed:
    return Bed(httpserver)


def test_a_heartbeat_says_who_sent_it_and_its_number_rises(bed: Bed) -> None:
    bed.answers(200, 200)
    bed.beats(2)
    first, second = bed.sent
    assert (first.cluster, first.node, first.interval_seconds) == ("cluster1", "node-1", 1.0)
    assert (first.sequence, second.sequence) == (1, 2)
    assert first.agent_id == second.agent_id
    assert first.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_two_agents_of_one_name_differ(httpserver: HTTPServer) -> None:
    one, other = Bed(httpserver), Bed(httpserver)
    assert one.signs.heartbeat().agent_id != other.signs.heartbeat().agent_id


def test_leases_are_prepared_before_a_heartbeat_and_the_reply_is_carried_out_after_it(
    bed: Bed,
) -> None:
    bed.answers(200)
    bed.beats(1)
    assert bed.warden.calls == ["prepare", "take"]
    assert bed.warden.replies[0].epoch == 4


def test_the_next_heartbeat_is_never_later_and_at_most_a_tenth_earlier(bed: Bed) -> None:
    bed.answers(*[200] * 20)
    pauses = bed.beats(20)
    assert all(0.9 * INTERVAL <= pause <= INTERVAL for pause in pauses)
    assert len(set(pauses)) > 1


def test_a_new_lease_makes_the_next_heartbeat_follow_at_once(bed: Bed) -> None:
    bed.answers(200)
    bed.warden.more = True
    assert bed.beats(1) == [timedelta()]


def test_facts_go_with_the_first_heartbeat_and_when_they_change(bed: Bed) -> None:
    bed.answers(200, 200, 200)
    bed.signs.facts = FACTS
    bed.beats(1)
    bed.signs.facts = FACTS.model_copy(update={"measured": datetime.now(UTC)})
    bed.beats(1)
    bed.signs.facts = FACTS.model_copy(update={"criu": "4.3"})
    bed.beats(1)
    assert [each.facts and each.facts.criu for each in bed.sent] == [FACTS.criu, None, "4.3"]


def test_facts_go_again_until_a_heartbeat_is_accepted(bed: Bed) -> None:
    bed.answers(503, 200, 200)
    bed.signs.facts = FACTS
    bed.beats(3)
    assert [each.facts is not None for each in bed.sent] == [True, True, False]


def test_a_heartbeat_tells_of_the_node(bed: Bed) -> None:
    bed.answers(200, 200)
    bed.beats(1)
    bed.signs.free_bytes = 5_000
    bed.signs.containers = (RunningContainer(namespace="shop", pod="web-0", container="app"),)
    bed.signs.uploaded()
    bed.clock.seconds += 12
    bed.warden.fences = ("shop/cluster1@1",)
    bed.warden.leases = (HeldLease(package="web", namespace="shop", enforced_by="kernel"),)
    bed.beats(1)
    before, after = bed.sent
    assert (before.free_bytes, before.last_upload_seconds, before.containers) == (None, None, ())
    assert (after.free_bytes, after.last_upload_seconds) == (5_000, 12)
    assert (after.containers, after.fenced, after.leases) == (
        bed.signs.containers,
        bed.warden.fences,
        bed.warden.leases,
    )


@pytest.mark.parametrize("status", [401, 403, 409, 422])
def test_who_refuses_is_asked_less_often_and_logged_once(bed: Bed, status: int) -> None:
    bed.answers(*[status] * 10, 200)
    with capture_logs() as lines:
        pauses = bed.beats(10)
    assert [round(pause / INTERVAL / 0.95) for pause in pauses[:3]] == [2, 4, 8]
    assert timedelta(seconds=54) <= pauses[-1] <= timedelta(seconds=60)
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert line["event"] == "heartbeats are not accepted"
    assert line["do"]
    assert bed.beats(1)[0] <= INTERVAL
    assert bed.warden.calls.count("take") == 1
    assert bed.metric("transition_agent_heartbeats_total", result="refused") == 10


def test_a_receiver_that_is_away_is_tried_at_every_interval_and_logged_once(bed: Bed) -> None:
    bed.answers(*[503] * 5, 200)
    with capture_logs() as lines:
        pauses = bed.beats(5)
        bed.clock.seconds += 60
        pauses += bed.beats(1)
    assert all(pause <= INTERVAL for pause in pauses)
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("error", "heartbeats are not accepted"),
        ("info", "heartbeats are accepted"),
    ]


def test_metrics_tell_how_it_goes(bed: Bed) -> None:
    bed.answers(200, 503)
    age = "transition_agent_heartbeat_age_seconds"
    assert str(bed.metric(age)) == "nan"
    bed.beats(1)
    bed.clock.seconds += 3
    bed.beats(1)
    assert bed.metric(age) == 3
    assert bed.metric("transition_agent_cluster_epoch") == 4
    assert bed.metric("transition_agent_heartbeats_total", result="accepted") == 1
    assert bed.metric("transition_agent_heartbeats_total", result="unreachable") == 1
    assert bed.metric("transition_agent_heartbeat_seconds_count") == 1


def test_a_heartbeat_is_never_larger_than_the_receiver_takes(bed: Bed) -> None:
    bed.answers(200, 200)
    bed.signs.containers = tuple(
        RunningContainer(namespace="shop", pod=f"{'p' * 200}-{number}", container="app")
        for number in range(1000)
    )
    bed.warden.fences = ("shop/cluster1@1",)
    with capture_logs() as lines:
        bed.beats(2)
    bodies = [request.get_data() for request, _ in bed.server.log]
    assert all(len(body) <= MOST_BODY_BYTES for body in bodies)
    assert bed.sent[0].fenced == bed.warden.fences
    assert 100 < len(bed.sent[0].containers) < 1000
    assert [line["event"] for line in lines].count(
        "heartbeats are too large, some entries are left out"
    ) == 1


def test_a_fault_of_the_agent_does_not_end_the_heartbeats(bed: Bed) -> None:
    bed.answers(200)
    beats = iter([RuntimeError("a fault"), None])

    def prepare() -> Mapping[PackageKey, float]:
        outcome = next(beats, None)
        bed.clock.seconds += 10  # whatever is due is due now
        if isinstance(outcome, Exception):
            raise outcome
        bed.stop.set()
        return {WEB: 7.0}

    bed.warden.prepare = prepare  # type: ignore[method-assign]  # a fake
    with capture_logs() as lines:
        bed.heart.run(bed.stop)
    assert lines[0]["event"] == "heartbeat not sent by a fault of the agent"
    assert len(bed.sent) == 1


@pytest.mark.parametrize("how", ["stop", "wake"])
def test_a_pause_ends_early_when_something_is_to_be_told(bed: Bed, how: str) -> None:
    bed.answers(*[200] * 10)
    beating = threading.Thread(target=bed.heart.run, args=[bed.stop], daemon=True)
    beating.start()
    _until(lambda: len(bed.server.log) == 1)
    if how == "wake":
        bed.wake.up()  # the clock stands still: without it no heartbeat would ever be due
        _until(lambda: len(bed.server.log) == 2)
    bed.stop.set()
    beating.join(10)
    assert not beating.is_alive()


def test_a_refused_heart_tries_a_new_token_before_its_pause_is_over(
    httpserver: HTTPServer, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    bed = Bed(httpserver)
    bed.heart._receiver = Receiver(
        httpserver.url_for("/heartbeat"),
        token=ReceiverToken(file=file),
        ca_file=None,
        timeout=timedelta(seconds=5),
    )
    bed.heart._interval = timedelta(milliseconds=10)
    httpserver.expect_request(
        "/heartbeat", headers={"Authorization": "Bearer the new one"}
    ).respond_with_json({"epoch": 1})
    httpserver.expect_request("/heartbeat").respond_with_json({}, status=401)
    beating = threading.Thread(target=bed.heart.run, args=[bed.stop], daemon=True)
    beating.start()
    _until(lambda: len(httpserver.log) == 1)
    bed.wake.up()  # does not hurry a heart that is refused
    file.write_text("the new one")
    _until(lambda: bed.warden.replies)
    bed.stop.set()
    beating.join(10)
    assert [json.loads(response.get_data()) for _, response in httpserver.log] == [
        {},
        {"epoch": 1},
    ]


def _until(condition: Callable[[], Any]) -> None:
    waiting = threading.Event()
    for _ in range(2000):
        if condition():
            return
        waiting.wait(0.005)
    raise AssertionError("not within 10 s")
