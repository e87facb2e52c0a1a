"""What the kernel is told: in one transaction each, and closed whenever that is not certain."""

from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs
from transition_agent.commands import CommandError
from transition_agent.guard import Guard
from transition_agent.orders import PackageKey
from transition_agent.ruleset import Tables

from .fake_guard import FakeNft

WEB, VIDEO = PackageKey("shop", "web"), PackageKey("shop", "video")
LEASE = {WEB: timedelta(seconds=2.5)}


class _Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def nft() -> FakeNft:
    return FakeNft()


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def guard(nft: FakeNft, clock: _Clock, tmp_path: Path) -> Guard:
    return Guard(log=structlog.get_logger(), load=nft, passed_by=tmp_path / "no-cilium", now=clock)


def test_without_orders_the_kernel_is_left_alone(guard: Guard, nft: FakeNft) -> None:
    guard.sync([], addresses={}, afresh=True)
    guard.prepare({})
    guard.renew([])
    guard.shut([])
    assert nft.loaded == []


def test_a_closed_package_lets_nothing_pass(guard: Guard, nft: FakeNft) -> None:
    guard.sync([WEB], addresses={"10.1.0.7": WEB, "fd00::7": WEB})
    chain = f"package_{_short(nft.last)}"
    for family in ("inet", "bridge"):
        assert f"add rule {family} transition_agent {chain} counter drop" in nft.last
        assert f"pods4 {{ 10.1.0.7 : jump {chain} }}" in nft.last
        assert f"pods6 {{ fd00::7 : jump {chain} }}" in nft.last
    assert "return" not in nft.last
    assert guard.closes(WEB)
    assert not guard.closes(VIDEO)


def test_what_has_not_changed_is_not_written_again_unless_it_is_wanted(
    guard: Guard, nft: FakeNft
) -> None:
    guard.sync([WEB], addresses={"10.1.0.7": WEB})
    count = len(nft.loaded)
    guard.sync([WEB], addresses={"10.1.0.7": WEB})
    assert len(nft.loaded) == count
    guard.sync([WEB], addresses={"10.1.0.7": WEB}, afresh=True)
    assert len(nft.loaded) == count + 1


def test_a_lease_is_counted_before_any_rule_looks_at_it(guard: Guard, nft: FakeNft) -> None:
    guard.sync([WEB], addresses={})
    guard.prepare(LEASE)
    assert "{ ip timeout 2500ms, ip6 timeout 2500ms }" in nft.last
    assert "add rule" not in nft.last
    guard.renew([WEB])
    assert "timeout" not in nft.last
    assert "return" in nft.last


def test_the_set_that_is_in_force_is_never_the_one_that_is_prepared(
    guard: Guard, nft: FakeNft
) -> None:
    guard.sync([WEB], addresses={})
    sides = []
    for _ in range(3):
        guard.prepare(LEASE)
        sides.append(nft.last.split("add set inet transition_agent ")[1].split()[0][-1])
        guard.renew([WEB])
        assert f"_{sides[-1]} return" in nft.last
    assert sides in (["a", "b", "a"], ["b", "a", "b"])


def test_what_was_prepared_counts_once(guard: Guard, nft: FakeNft) -> None:
    guard.sync([WEB], addresses={})
    guard.prepare(LEASE)
    guard.renew([])
    count = len(nft.loaded)
    guard.renew([WEB])
    assert len(nft.loaded) == count


def test_a_lease_stays_in_force_when_pods_come_and_go(guard: Guard, nft: FakeNft) -> None:
    guard.sync([WEB], addresses={})
    guard.prepare(LEASE)
    guard.renew([WEB])
    guard.sync([WEB], addresses={"10.1.0.7": WEB})
    assert "return" in nft.last


def test_a_fence_shuts_what_a_lease_opened(guard: Guard, nft: FakeNft) -> None:
    guard.sync([WEB], addresses={})
    guard.prepare(LEASE)
    guard.renew([WEB])
    guard.shut([WEB])
    assert "return" not in nft.last
    guard.renew([WEB])
    assert "return" not in nft.last


def test_what_is_free_again_leaves_nothing(guard: Guard, nft: FakeNft) -> None:
    guard.sync([WEB, VIDEO], addresses={"10.1.0.7": WEB})
    guard.sync([VIDEO], addresses={})
    assert "delete chain inet transition_agent package_" in nft.last
    assert nft.last.count("delete set inet transition_agent lease_") == 2
    assert not guard.closes(WEB)


def test_addresses_that_are_not_known_stay_as_they_are(guard: Guard, nft: FakeNft) -> None:
    guard.sync([WEB], addresses=None)
    assert "flush map" not in nft.last


def test_after_a_failure_everything_is_closed_anew(guard: Guard, nft: FakeNft) -> None:
    guard.sync([WEB], addresses={})
    guard.prepare(LEASE)
    guard.renew([WEB])
    nft.refuses = "timeout"
    with pytest.raises(CommandError):
        guard.prepare(LEASE)
    assert not guard.closes(WEB)
    nft.refuses = ""
    guard.sync([WEB], addresses={})
    assert "return" not in nft.last
    assert guard.closes(WEB)


def test_rules_that_another_program_flushed_are_written_again_closed(
    guard: Guard, nft: FakeNft
) -> None:
    guard.sync([WEB], addresses={})
    guard.prepare(LEASE)
    guard.renew([WEB])
    nft.refuses = "return"  # the set that the rule would look at is gone
    guard.sync([WEB], addresses={"10.1.0.7": WEB}, afresh=True)
    assert "10.1.0.7" in nft.last
    assert guard.closes(WEB)


def test_a_kernel_without_bridge_tables_closes_what_is_routed(guard: Guard, nft: FakeNft) -> None:
    nft.refuses = "bridge"
    guard.sync([WEB], addresses={})
    assert guard.closes(WEB)
    assert all("bridge" not in text for text in nft.loaded)


def test_where_nft_is_not_permitted_the_agent_says_so_and_tries_again_later(
    guard: Guard, nft: FakeNft, clock: _Clock
) -> None:
    nft.refuses = "table"
    with capture_logs() as lines:
        guard.sync([WEB], addresses={})
        guard.prepare(LEASE)
        guard.renew([WEB])
        clock.seconds = 61
        guard.sync([WEB], addresses={})
    assert not guard.closes(WEB)
    (line,) = lines
    assert line["event"] == "fences and leases are enforced by this agent alone"
    assert line["what"] == "Operation not permitted"
    nft.refuses = ""
    guard.sync([WEB], addresses={})
    assert not guard.closes(WEB)
    clock.seconds = 122
    guard.sync([WEB], addresses={})
    assert guard.closes(WEB)


def test_cilium_moves_packets_past_the_guard(nft: FakeNft, clock: _Clock, tmp_path: Path) -> None:
    guard = Guard(log=structlog.get_logger(), load=nft, passed_by=tmp_path, now=clock)
    with capture_logs() as lines:
        guard.sync([WEB], addresses={})
    assert not guard.closes(WEB)
    assert nft.loaded == []
    assert "Cilium" in lines[0]["what"]


def test_only_addresses_get_into_the_rules() -> None:
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        Tables().pods({"10.1.0.7 }; flush ruleset; {": WEB})


def _short(text: str) -> str:
    return text.split("package_")[1][:16]
