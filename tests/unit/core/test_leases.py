"""The receiver's count of a lease ends after the node's own, whatever was late in between."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_transition.core.leases import (
    NodeLease,
    lease_expired,
    margin_seconds,
    may_renew,
    surely_over_at,
)

LEASE = 10.0
OVER = 100 + LEASE + margin_seconds(LEASE)


def node(granted: float | None = 100.0, *, by_kernel: bool = True, name: str = "n1") -> NodeLease:
    return NodeLease(node=name, granted=granted, by_kernel=by_kernel)


def expired(*nodes: NodeLease, now: float, started: float = 0.0, **more: Any) -> bool:
    usual: dict[str, Any] = {"fenced": True}
    return lease_expired(LEASE, nodes=nodes, receiver_started=started, now=now, **(usual | more))


def test_a_lease_is_over_a_margin_after_its_duration() -> None:
    assert not expired(node(), now=OVER - 0.001)
    assert expired(node(), now=OVER)


def test_the_last_of_all_nodes_decides() -> None:
    assert not expired(node(50), node(name="n2"), now=OVER - 0.001)
    assert expired(node(50), node(name="n2"), now=OVER)


def test_a_lease_that_is_not_fenced_is_renewed_and_never_over() -> None:
    assert not expired(node(), now=1e9, fenced=False)


def test_a_lease_that_only_an_agent_enforces_is_never_surely_over() -> None:
    assert not expired(node(), node(by_kernel=False, name="n2"), now=1e9)


def test_without_a_node_that_ever_had_the_lease_nothing_is_known() -> None:
    assert not expired(now=1e9)


def test_after_a_restart_a_lease_is_counted_from_the_restart() -> None:
    assert not expired(node(None), started=100, now=OVER - 0.001)
    assert expired(node(None), started=100, now=OVER)


def test_a_grant_before_the_restart_that_is_still_known_does_not_shorten_it() -> None:
    assert surely_over_at(LEASE, nodes=[node(5)], receiver_started=100) == OVER


def test_neither_a_fenced_package_nor_an_untrusted_node_gets_a_lease() -> None:
    assert may_renew(trusted=True, fenced=False)
    assert not may_renew(trusted=True, fenced=True)
    assert not may_renew(trusted=False, fenced=False)


SECONDS = st.floats(min_value=0, max_value=3600)
RATES = st.floats(min_value=0.9995, max_value=1.0005)


@given(st.floats(min_value=0.5, max_value=3600), SECONDS, RATES, RATES)
def test_no_delay_and_no_clock_within_500_ppm_lets_a_node_hold_on_longer(
    duration: float, delay: float, node_rate: float, receiver_rate: float
) -> None:
    """In true time: the heartbeat is sent at 0 and arrives after `delay`."""
    node_ends = duration / node_rate
    granted = delay * receiver_rate
    over = surely_over_at(duration, nodes=[node(granted)], receiver_started=0)
    assert over is not None
    assert over / receiver_rate > node_ends
