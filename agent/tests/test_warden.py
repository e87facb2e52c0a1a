"""Orders are carried out before anything else, kept, and reported only when they are so."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
import time_machine
from structlog.testing import capture_logs
from transition_agent.guard import Guard
from transition_agent.orders import Orders, PackageKey
from transition_agent.ruleset import _chain
from transition_agent.runtime import NodePod, PodContainer
from transition_agent.state_file import StateFile
from transition_agent.warden import Warden, since_boot
from transition_wire.heartbeat import HeartbeatReply, PackageName

from .fake_guard import FakeNft
from .test_orders import VIDEO, WEB, fence, lease

LEASED = HeartbeatReply(epoch=1, leases=(lease(seconds=5),))
FENCED = HeartbeatReply(epoch=2, fences=(fence(),))


def pod(
    name: str = "web", *, runs: bool = True, address: str = "10.1.0.7", host: bool = False
) -> NodePod:
    return NodePod(
        id=f"s-{name}",
        namespace="shop",
        name=f"{name}-0",
        labels={"app": name},
        addresses=() if host else (address,),
        has_network=not host,
        containers=(PodContainer(id=f"c-{name}", name="app", runs=runs),),
    )


@dataclass
class Bed:
    folder: Path
    nft: FakeNft = field(default_factory=FakeNft)
    seconds: float = 1000.0
    changes: int = 0

    def __post_init__(self) -> None:
        self.warden = self.new_warden()

    def new_warden(self) -> Warden:
        log = structlog.get_logger()
        guard = Guard(log=log, load=self.nft, passed_by=self.folder / "no-cilium")
        warden = Warden(
            guard=guard,
            state=StateFile(self.folder),
            log=log,
            changed=self._change,
            now=lambda: self.seconds,
        )
        warden.load()
        return warden

    def _change(self) -> None:
        self.changes += 1

    def beat(self, reply: HeartbeatReply) -> bool:
        return self.warden.take(reply, prepared=self.warden.prepare())

    def look(self, *pods: NodePod) -> list[str]:
        """One look; ids of the containers that are to be stopped."""
        fences = self.warden.orders.fences
        self.warden.keep()
        self.warden.see(list(pods))
        doomed = [each.container.id for each in self.warden.doomed()]
        self.warden.confirm(fences)
        return doomed


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path)


def test_a_new_lease_is_closed_and_wants_a_heartbeat_at_once(bed: Bed) -> None:
    bed.look(pod())
    assert bed.beat(LEASED)
    assert "return" not in bed.nft.last
    assert "10.1.0.7" in bed.nft.last
    assert not bed.beat(LEASED)
    assert "return" in bed.nft.last


def test_a_lease_that_cannot_be_prepared_does_not_hurry_for_ever(bed: Bed) -> None:
    bed.nft.refuses = "timeout"
    bed.look(pod())
    with capture_logs():
        hurries = [bed.beat(LEASED) for _ in range(4)]
    assert hurries == [True, False, True, False]


def test_a_lease_that_became_shorter_waits_for_its_own_heartbeat(bed: Bed) -> None:
    for _ in range(2):
        bed.beat(LEASED)
    shorter = HeartbeatReply(epoch=1, leases=(lease(seconds=2),))
    assert bed.beat(shorter)
    assert not bed.beat(shorter)
    assert bed.warden.seconds_left() == {WEB: 2}


def test_a_lease_that_became_longer_goes_on_with_what_was_prepared(bed: Bed) -> None:
    for _ in range(2):
        bed.beat(LEASED)
    assert not bed.beat(HeartbeatReply(epoch=1, leases=(lease(seconds=60),)))
    assert bed.warden.seconds_left() == {WEB: 5}


def test_a_lease_counts_from_before_its_heartbeat(bed: Bed) -> None:
    bed.beat(LEASED)
    prepared = bed.warden.prepare()
    bed.seconds += 4  # on its way
    bed.warden.take(LEASED, prepared=prepared)
    assert bed.warden.seconds_left() == {WEB: 1}


def test_steps_of_the_wall_clock_do_not_count() -> None:
    begun = since_boot()
    with time_machine.travel(0):
        assert 0 <= since_boot() - begun < 5


def test_pods_end_when_their_lease_has_run_out(bed: Bed) -> None:
    for _ in range(2):
        bed.beat(LEASED)
    assert bed.look(pod(), pod("video")) == []
    bed.seconds += 4.9
    assert (bed.look(pod()), bed.warden.run_out) == ([], 0)
    bed.seconds += 0.2
    assert (bed.look(pod(), pod("video")), bed.warden.run_out) == (["c-web"], 1)
    assert [each.reason for each in bed.warden.doomed()] == ["lease"]
    bed.beat(LEASED)
    assert bed.look(pod()) == []


def test_after_a_start_a_lease_has_one_duration_to_be_renewed(bed: Bed) -> None:
    bed.beat(LEASED)
    bed.warden.keep()
    bed.seconds += 1000
    bed.warden = bed.new_warden()
    assert bed.look(pod()) == []
    assert "return" not in bed.nft.last
    bed.seconds += 5
    assert bed.look(pod()) == ["c-web"]


def test_a_fence_closes_known_pods_with_the_reply_itself(bed: Bed) -> None:
    bed.look(pod(), pod("video", address="10.1.0.8"))
    bed.beat(FENCED)
    assert "10.1.0.7" in bed.nft.last
    assert "10.1.0.8" not in bed.nft.last
    assert bed.changes == 1


def test_a_fence_ends_the_lease_of_its_package(bed: Bed) -> None:
    bed.look(pod())
    for _ in range(2):
        bed.beat(LEASED)
    bed.beat(HeartbeatReply(epoch=2, fences=(fence(),), leases=(lease(),)))
    assert "return" not in bed.nft.last
    assert not bed.beat(HeartbeatReply(epoch=2, fences=(fence(),), leases=(lease(),)))
    assert "return" not in bed.nft.last


def test_a_fence_is_confirmed_when_nothing_of_it_runs(bed: Bed) -> None:
    bed.beat(FENCED)
    assert bed.warden.fenced() == ()
    assert bed.look(pod()) == ["c-web"]
    assert bed.warden.fenced() == ()
    assert bed.look(pod(runs=False)) == []
    assert bed.warden.fenced() == (fence().id,)
    bed.look(pod())
    assert bed.warden.fenced() == ()


def test_a_claim_is_confirmed_when_none_of_its_packages_runs(bed: Bed) -> None:
    bed.beat(HeartbeatReply(epoch=2, fences=(fence(), fence(VIDEO))))
    bed.look(pod(runs=False), pod("video"))
    assert bed.warden.fenced() == ()
    bed.look(pod(runs=False), pod("video", runs=False))
    assert bed.warden.fenced() == (fence().id,)


def test_a_fence_that_came_after_the_pods_were_listed_is_not_confirmed_by_them(bed: Bed) -> None:
    listed = bed.warden.orders.fences
    bed.warden.see([])
    bed.beat(FENCED)
    bed.warden.confirm(listed)
    assert bed.warden.fenced() == ()


def test_nothing_is_confirmed_while_the_runtime_does_not_answer(bed: Bed) -> None:
    bed.beat(FENCED)
    bed.look()
    assert bed.warden.fenced() == (fence().id,)
    bed.warden.see(None)
    assert bed.warden.confirm(()) is False
    assert bed.warden.fenced() == ()


def test_what_is_not_on_the_disk_is_neither_confirmed_nor_enforced(
    bed: Bed, tmp_path: Path
) -> None:
    bed.folder = tmp_path / "file"
    bed.folder.touch()
    bed.warden = bed.new_warden()
    with capture_logs() as lines:
        bed.beat(HeartbeatReply(epoch=2, fences=(fence(VIDEO),), leases=(lease(),)))
        bed.look(pod())
        bed.look(pod())
    assert _enforced(bed) == ["agent"]
    assert bed.warden.fenced() == ()
    assert [line["event"] for line in lines].count("orders are not kept") == 1


def test_who_enforces_a_lease_is_told(bed: Bed) -> None:
    bed.beat(LEASED)
    bed.look(pod())
    assert _enforced(bed) == ["kernel"]
    bed.look(pod(host=True))
    assert _enforced(bed) == ["agent"]
    bed.look(pod())
    assert _enforced(bed) == ["kernel"]
    bed.warden.see(None)
    assert _enforced(bed) == ["agent"]


def test_other_labels_of_a_lease_are_enforced_once_they_are_kept(bed: Bed) -> None:
    """A reboot before that would look for the pods of the labels before."""
    bed.beat(LEASED)
    bed.look(pod())
    other = LEASED.leases[0].model_copy(update={"pod_labels": {"app": "web", "tier": "front"}})
    bed.beat(LEASED.model_copy(update={"leases": (other,)}))
    assert _enforced(bed) == ["agent"]
    bed.look(pod())
    assert _enforced(bed) == ["kernel"]


def test_without_nft_the_agent_enforces(bed: Bed) -> None:
    bed.nft.refuses = "table"
    with capture_logs():
        bed.look(pod())
        for _ in range(2):
            bed.beat(LEASED)
    assert _enforced(bed) == ["agent"]
    bed.seconds += 5
    assert bed.look(pod()) == ["c-web"]


def test_orders_are_kept_and_in_force_at_the_next_start(bed: Bed) -> None:
    bed.look(pod())
    bed.beat(FENCED)
    bed.warden.keep()
    bed.warden = bed.new_warden()
    assert bed.warden.orders == Orders(epoch=2, fences=(fence(),))
    assert bed.look(pod()) == ["c-web"]
    assert "10.1.0.7" in bed.nft.last


def test_a_lease_that_was_released_is_forgotten(bed: Bed) -> None:
    bed.look(pod())
    bed.beat(LEASED)
    bed.beat(HeartbeatReply(epoch=1, released=(PackageName(namespace="shop", package="web"),)))
    assert bed.warden.held() == ()
    assert bed.warden.seconds_left() == {}
    assert not bed.warden.has_orders
    assert "delete chain" in bed.nft.last


def test_a_lease_that_is_not_renewed_is_named_in_time(bed: Bed) -> None:
    bed.beat(LEASED)
    with capture_logs() as lines:
        for _ in range(2):
            bed.beat(HeartbeatReply(epoch=1))
        bed.beat(LEASED)
    assert [(line["event"], line.get("what")) for line in lines] == [
        ("leases are not renewed, their pods will end", "not in the reply: shop/web"),
        ("it is well again", None),
    ]


def test_a_reply_of_an_older_epoch_is_logged_once_and_renews_nothing(bed: Bed) -> None:
    bed.beat(HeartbeatReply(epoch=3, leases=(lease(),)))
    bed.beat(HeartbeatReply(epoch=3, leases=(lease(),)))
    bed.seconds += 1
    with capture_logs() as lines:
        for _ in range(3):
            assert not bed.beat(HeartbeatReply(epoch=1, leases=(lease(),)))
    assert [line["event"] for line in lines] == [
        "this reply is not believed",
        "leases are not renewed, their pods will end",
    ]
    assert bed.warden.seconds_left() == {WEB: 4}


def test_a_pod_of_a_fenced_and_of_a_leased_package_is_fenced(bed: Bed) -> None:
    both = HeartbeatReply(
        epoch=2,
        fences=(fence(VIDEO),),
        leases=(lease(WEB).model_copy(update={"pod_labels": {"app": "video"}}),),
    )
    bed.look(pod("video"))
    for _ in range(2):
        bed.beat(both)
    chain = bed.nft.last
    bed.warden.see([pod("video")])
    jumps = [line for line in bed.nft.last.splitlines() if "10.1.0.7" in line]
    assert len(jumps) == 2
    assert all(_chain_of(VIDEO) in line for line in jumps), chain


def _chain_of(key: PackageKey) -> str:
    return _chain(key)


def _enforced(bed: Bed) -> list[str]:
    return [each.enforced_by for each in bed.warden.held()]
