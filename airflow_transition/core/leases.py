"""Leases, as the receiver counts them: when the last one has surely run out on every node.

A node's kernel counts a lease from before the heartbeat was sent that asked for it; the receiver
counts from when that heartbeat arrived. Whatever is delayed, paused or lost in between, the node's
count ends first. All moments are seconds on the receiver's monotonic clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_MARGIN_SECONDS = 0.25
"""Ticks and rounding of two kernels."""
_MARGIN_PER_SECOND = 0.001
"""Two clocks that are slewed against each other, each by the 500 ppm that Linux allows."""


@dataclass(frozen=True)
class NodeLease:
    """What one node that was ever granted the lease of a package has of it."""

    node: str
    granted: float | None
    """When the last heartbeat arrived that was answered with the lease, noted before the fences
    were read for that answer; None: none in this life of the receiver."""
    by_kernel: bool
    """The node's own word: its kernel drops the pods' packets when the lease runs out."""


def may_renew(*, trusted: bool, fenced: bool) -> bool:
    """Whether an answer may hold the lease; `fenced` as read in the answer's own transaction."""
    return trusted and not fenced


def margin_seconds(duration_seconds: float) -> float:
    """How much later than a node's count the receiver's may end without having waited enough."""
    return _MARGIN_SECONDS + _MARGIN_PER_SECOND * duration_seconds


def surely_over_at(
    duration_seconds: float, *, nodes: Iterable[NodeLease], receiver_started: float
) -> float | None:
    """From when on no node can hold a lease that was granted so far; None: that is not sure.

    The receiver's earlier life may have granted a lease right before it ended, so nothing is over
    before a whole lease after its start. A longer lease that was in force before counts: pass the
    longest duration that was ever granted and not yet over.
    """
    known = tuple(nodes)
    if not known or not all(node.by_kernel for node in known):
        return None
    grants = [node.granted for node in known if node.granted is not None]
    last = max([receiver_started, *grants])
    return last + duration_seconds + margin_seconds(duration_seconds)


def lease_expired(
    duration_seconds: float,
    *,
    nodes: Iterable[NodeLease],
    receiver_started: float,
    fenced: bool,
    now: float,
) -> bool:
    """Whether the package's pods surely answer nobody in the cluster, and stay so.

    Only a fenced package stays so: without a fence the next heartbeat renews the lease.
    """
    over = surely_over_at(duration_seconds, nodes=nodes, receiver_started=receiver_started)
    return fenced and over is not None and now >= over
