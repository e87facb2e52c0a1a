"""Rounds end what must not run, and are made as soon as there is reason for one."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from transition_agent.archives import Wake
from transition_agent.commands import CommandError
from transition_agent.guard import Guard
from transition_agent.heartbeat_metrics import HeartbeatMetrics
from transition_agent.node_signs import NodeSigns
from transition_agent.rounds import Rounds
from transition_agent.runtime import NodePod, PodContainer
from transition_agent.state_file import StateFile
from transition_agent.warden import Warden
from transition_wire.heartbeat import HeartbeatReply

from .fake_guard import FakeNft
from .test_orders import fence, lease
from .test_warden import pod

FENCED = HeartbeatReply(epoch=2, fences=(fence(),))


@dataclass
class FakeRuntime:
    """A node whose containers end when they are stopped, unless they are stubborn."""

    name: str = "fake"
    present: list[NodePod] = field(default_factory=list)
    stubborn: bool = False
    away: bool = False
    stopped: list[str] = field(default_factory=list)
    listed: int = 0

    def pods(self) -> list[NodePod]:
        self.listed += 1
        if self.away:
            raise CommandError("connection refused", where="fake", do="start it")
        return list(self.present)

    def stop(self, containers: Iterable[PodContainer]) -> None:
        ids = [each.id for each in containers]
        self.stopped += ids
        if not self.stubborn:
            self.present = [
                pod(each.labels["app"], runs=False) if f"c-{each.labels['app']}" in ids else each
                for each in self.present
            ]


class Bed:
    def __init__(self, folder: Path, *, runtime: FakeRuntime | None) -> None:
        log = structlog.get_logger()
        self.stop = threading.Event()
        self.woken = 0
        self.wake = Wake(self.stop)
        self.nft = FakeNft()
        self.runtime = runtime
        self.networks = folder / "netns"
        self.networks.mkdir()
        self.seconds = 0.0
        self.signs = NodeSigns(cluster="c", node="n", interval=timedelta(seconds=1))
        self.registry = CollectorRegistry()
        self.warden = Warden(
            guard=Guard(log=log, load=self.nft, passed_by=folder / "no-cilium"),
            state=StateFile(folder / "state"),
            log=log,
            changed=self.wake.up,
            now=lambda: self.seconds,
        )
        self.rounds = Rounds(
            runtime,
            warden=self.warden,
            signs=self.signs,
            wake=self.wake,
            wake_heart=self._wake_heart,
            metrics=HeartbeatMetrics(self.registry),
            log=log,
            networks=self.networks,
        )

    def _wake_heart(self) -> None:
        self.woken += 1

    def beat(self, reply: HeartbeatReply) -> None:
        self.warden.take(reply, prepared=self.warden.prepare())

    def fences(self, state: str) -> float | None:
        return self.registry.get_sample_value("transition_agent_fences", {"state": state})


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime(present=[pod(), pod("video", address="10.1.0.8")])


@pytest.fixture
def bed(tmp_path: Path, runtime: FakeRuntime) -> Bed:
    return Bed(tmp_path, runtime=runtime)


def test_running_containers_are_told_with_the_heartbeats(bed: Bed) -> None:
    bed.rounds.look()
    assert [(each.namespace, each.pod, each.container) for each in bed.signs.containers] == [
        ("shop", "web-0", "app"),
        ("shop", "video-0", "app"),
    ]


def test_fenced_containers_are_ended_and_the_heart_is_woken_to_say_so(
    bed: Bed, runtime: FakeRuntime
) -> None:
    bed.beat(FENCED)
    with capture_logs() as lines:
        bed.rounds.look()
    assert runtime.stopped == ["c-web"]
    assert bed.warden.fenced() == (fence().id,)
    assert bed.woken == 1
    assert (bed.fences("open"), bed.fences("confirmed")) == (0, 1)
    (line,) = [line for line in lines if line["event"] == "container stopped"]
    assert (line["pod"], line["reason"], line["package"]) == ("shop/web-0", "fence", "web")
    stopped = "transition_agent_stopped_containers_total"
    assert bed.registry.get_sample_value(stopped, {"reason": "fence"}) == 1
    bed.rounds.look()
    assert bed.woken == 1


def test_what_does_not_end_is_never_reported_as_fenced(bed: Bed, runtime: FakeRuntime) -> None:
    runtime.stubborn = True
    bed.beat(FENCED)
    with capture_logs():
        assert bed.rounds.look() == timedelta(seconds=1)
    assert runtime.stopped == ["c-web"] * 3
    assert bed.warden.fenced() == ()
    assert (bed.fences("open"), bed.fences("confirmed")) == (1, 0)


def test_orders_are_on_the_disk_before_anything_is_ended(
    bed: Bed, runtime: FakeRuntime, tmp_path: Path
) -> None:
    bed.beat(FENCED)
    runtime.away = True
    with capture_logs():
        bed.rounds.look()
    assert StateFile(tmp_path / "state").load().fences == FENCED.fences
    assert runtime.stopped == []


def test_a_runtime_that_does_not_answer_is_logged_once_and_asked_again_soon(
    bed: Bed, runtime: FakeRuntime
) -> None:
    bed.beat(FENCED)
    runtime.away = True
    with capture_logs() as lines:
        pauses = [bed.rounds.look() for _ in range(3)]
        runtime.away = False
        bed.rounds.look()
    assert pauses == [timedelta(seconds=1)] * 3
    events = [line["event"] for line in lines]
    assert events.count("the node's pods cannot be listed") == 1
    assert "it is well again" in events


def test_without_orders_the_runtime_is_asked_seldom(bed: Bed) -> None:
    assert bed.rounds.look() == timedelta(seconds=10)
    bed.beat(HeartbeatReply(epoch=1, leases=(lease(),)))
    assert bed.rounds.look() == timedelta(seconds=5)


def test_without_a_runtime_packets_are_closed_by_what_is_known(tmp_path: Path) -> None:
    bed = Bed(tmp_path, runtime=None)
    bed.beat(FENCED)
    assert bed.rounds.look() == timedelta(seconds=5)
    assert bed.warden.fenced() == ()


@pytest.mark.parametrize("reason", ["orders", "lease", "pod"])
def test_a_round_follows_at_once_when_there_is_reason(
    bed: Bed, runtime: FakeRuntime, reason: str
) -> None:
    bed.beat(HeartbeatReply(epoch=1, leases=(lease(seconds=5),)))
    bed.wake.rest()
    looked = threading.Event()
    rounds = threading.Thread(
        target=bed.rounds.run, args=[bed.stop], kwargs={"first": looked.set}, daemon=True
    )
    rounds.start()
    assert looked.wait(10)
    listed = runtime.listed
    if reason == "orders":
        bed.beat(FENCED)
    elif reason == "lease":
        bed.seconds = 5
    else:
        (bed.networks / "cni-1234").touch()
    waiting = threading.Event()
    for _ in range(400):  # four seconds: well below the five of a round without a reason
        if runtime.listed > listed:
            break
        waiting.wait(0.01)
    assert runtime.listed > listed
    bed.stop.set()
    rounds.join(10)
    assert not rounds.is_alive()


def test_a_fault_of_the_agent_does_not_end_the_rounds(
    bed: Bed, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = iter([RuntimeError("a fault")])

    def pods() -> list[NodePod]:
        bed.wake.up()  # the next round is due now
        for outcome in outcomes:
            raise outcome
        bed.stop.set()
        return []

    monkeypatch.setattr(runtime, "pods", pods)
    with capture_logs() as lines:
        bed.rounds.run(bed.stop, first=lambda: None)
    assert lines[0]["event"] == "pods not looked at by a fault of the agent"
