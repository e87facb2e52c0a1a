"""The warden: sees that what the receiver ordered is so on this node.

The heart hands each reply over; packets are stopped there and then, by the addresses that are
known. Everything that takes longer is done in a thread of the warden's own (`rounds`): keep the
orders on the disk, look at the node's pods, stop containers, and look again whether they are gone.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from structlog.typing import FilteringBoundLogger
from transition_wire.heartbeat import Fence, HeartbeatReply, HeldLease, Lease, PodCopy

from transition_agent.errors import AgentError
from transition_agent.guard import Guard
from transition_agent.logs import fields_of
from transition_agent.orders import Orders, PackageKey
from transition_agent.runtime import NodePod, PodContainer
from transition_agent.state_file import StateFile
from transition_agent.troubles import Troubles

_MOST = 1000
"""Ids and leases in one heartbeat."""

_SHOWN = 20
"""Packages in one line of the log."""


def since_boot() -> float:
    """Counts on while the machine sleeps, and knows no steps of the wall clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Doomed:
    """A container that runs and must not."""

    pod: NodePod
    container: PodContainer
    reason: str
    """`fence` or `lease`."""
    package: str


class Warden:
    def __init__(
        self,
        *,
        guard: Guard,
        state: StateFile,
        log: FilteringBoundLogger,
        changed: Callable[[], None] = lambda: None,
        now: Callable[[], float] = since_boot,
    ) -> None:
        self._guard = guard
        self._state = state
        self._log = log
        self._changed = changed
        """Called when the orders are others than before."""
        self._now = now
        self._lock = threading.Lock()
        """Over orders and pods together: what the guard closes follows from both."""
        self._orders = self._saved = Orders()
        self._runs_out: dict[PackageKey, float] = {}
        self._pods: list[NodePod] | None = None
        self._seen = False
        self._hurried = False
        self._confirmed: tuple[str, ...] = ()
        self._troubles = Troubles(log)

    @property
    def orders(self) -> Orders:
        return self._orders

    @property
    def has_orders(self) -> bool:
        return bool(self._orders.fences or self._orders.leases)

    def load(self) -> None:
        """The orders of before the start. A lease gets one more duration before its pods end."""
        try:
            self._orders = self._saved = self._state.load()
        except AgentError as error:
            self._log.error("no fences or leases of before", **fields_of(error))
        self._count_leases()

    def prepare(self) -> dict[PackageKey, float]:
        """Before a heartbeat: let the kernel count; when each lease that it renews runs out."""
        orders, begun = self._orders, self._now()
        durations = {
            key: timedelta(seconds=lease.duration_seconds)
            for key, lease in orders.leased.items()
            if key not in orders.fenced
        }
        with self._troubles.noted("leases cannot be prepared"):
            self._guard.prepare(durations)
            return {key: begun + each.total_seconds() for key, each in durations.items()}
        return {}

    def take(self, reply: HeartbeatReply, *, prepared: Mapping[PackageKey, float]) -> bool:
        """Whether another heartbeat should follow at once: a lease is new, so none was prepared."""
        with self._lock:
            before, after = self._orders, self._orders.after(reply)
            self._orders = after
            granted = _granted(reply, before=before, after=after)
            renewed = {key: prepared[key] for key in prepared if granted.get(key)}
            self._count_leases()
            with self._troubles.noted("fences and leases are not in force"):
                self._enforce()
                self._guard.renew(renewed)
                self._runs_out |= renewed
        with self._troubles.noted("this reply is not believed"):
            _check(reply, before=before)
        with self._troubles.noted("leases are not renewed, their pods will end"):
            _check_leases(after, granted=granted.keys())
        if after != before:
            self._tell_change(before)
        self._hurried = len(renewed) < len(granted) and not self._hurried
        return self._hurried

    def see(self, pods: list[NodePod] | None) -> None:
        """These are the node's pods now, or it is not known: close what has to be."""
        with self._lock, self._troubles.noted("fences and leases are not in force"):
            self._seen = pods is not None
            if pods is not None:
                self._pods = pods
            self._enforce(afresh=True)

    def keep(self) -> None:
        """Write the orders to the disk if they changed."""
        orders = self._orders
        if orders != self._saved:
            with self._troubles.noted("orders are not kept"):
                self._state.save(orders)
                self._saved = orders

    def doomed(self) -> list[Doomed]:
        """Containers that run and must not."""
        with self._lock:
            reasons = [
                *(("fence", fence) for fence in self._orders.fences),
                *(("lease", lease) for lease in self._run_out()),
            ]
            found: dict[str, Doomed] = {}
            for reason, copy in reasons:
                for pod in self._pods or ():
                    for container in pod.running if pod.is_of(copy) else ():
                        found.setdefault(container.id, Doomed(pod, container, reason, copy.package))
            return list(found.values())

    def confirm(self, fences: tuple[Fence, ...]) -> bool:
        """Note of which of these fences nothing runs here any more; whether that is news.

        They are those that were known before the pods were listed: one that came meanwhile is
        confirmed by the next look only, and none is where the runtime does not answer. Nor is one
        that is not on the disk: a reboot would start its pods again.
        """
        with self._lock:
            known = {_name(fence) for fence in fences} & {
                _name(each) for each in self._saved.fences
            }
            unseen = {each.id for each in self._orders.fences if _name(each) not in known}
            run = {fence.id for fence in fences if self._runs(fence)} | unseen
            confirmed = tuple(dict.fromkeys(each.id for each in fences if each.id not in run))
            news = set(confirmed) - set(self._confirmed)
            self._confirmed = confirmed
            return bool(news)

    def fenced(self) -> tuple[str, ...]:
        """Ids of fences of which no pod runs here."""
        known = {fence.id for fence in self._orders.fences}
        return tuple(each for each in self._confirmed if each in known)[:_MOST]

    def held(self) -> tuple[HeldLease, ...]:
        """Every lease of the cluster, and who would enforce it on this node.

        Not the kernel where the pods have not been listed lately or share the node's addresses, and
        not while the lease is not on the disk: a reboot would open it.
        """
        with self._lock:
            return tuple(self._held(lease) for lease in self._orders.leases[:_MOST])

    def seconds_left(self) -> dict[PackageKey, float]:
        """Of each lease until it runs out; 0 afterwards."""
        now = self._now()
        return {key: max(0.0, end - now) for key, end in list(self._runs_out.items())}

    def _held(self, lease: Lease) -> HeldLease:
        shares = any(pod.is_of(lease) and not pod.has_network for pod in self._pods or ())
        key = PackageKey.of(lease)
        saved = self._saved.leased.get(key)
        is_kept = saved is not None and saved.pod_labels == lease.pod_labels
        surely = self._seen and not shares and is_kept
        by_kernel = surely and self._guard.closes(key)
        return HeldLease(
            package=lease.package,
            namespace=lease.namespace,
            enforced_by="kernel" if by_kernel else "agent",
        )

    def _enforce(self, *, afresh: bool = False) -> None:
        """Fences before leases: what is fenced is shut before anything else is opened."""
        orders = self._orders
        addresses = None if self._pods is None else _addresses(self._pods, orders=orders)
        self._guard.sync(orders.copies, addresses=addresses, afresh=afresh)
        self._guard.shut(orders.fenced)

    def _count_leases(self) -> None:
        """A lease that is new here, or of before the start, counts from now."""
        now, leased = self._now(), self._orders.leased
        known = self._runs_out
        self._runs_out = {
            key: known.get(key, now + lease.duration_seconds) for key, lease in leased.items()
        }

    @property
    def run_out(self) -> int:
        """How many leases have run out: when it changes, pods are to be stopped."""
        with self._lock:
            return len(self._run_out())

    def _run_out(self) -> list[Lease]:
        now = self._now()
        return [each for key, each in self._orders.leased.items() if self._runs_out[key] <= now]

    def _runs(self, copy: PodCopy) -> bool:
        return any(pod.running for pod in self._pods or () if pod.is_of(copy))

    def _tell_change(self, before: Orders) -> None:
        after = self._orders
        for name, old, new in (
            ("fences", before.fences, after.fences),
            ("leases", before.leases, after.leases),
        ):
            if old != new:
                packages = [f"{each.namespace}/{each.package}" for each in new[:_SHOWN]]
                self._log.warning(
                    f"{name} have changed", epoch=after.epoch, count=len(new), packages=packages
                )
        self._changed()


def _granted(reply: HeartbeatReply, *, before: Orders, after: Orders) -> dict[PackageKey, bool]:
    """Leases of a reply that is believed, of packages that are not fenced.

    With each whether what was prepared for it fits: a lease that is new or has become shorter was
    prepared for too long a time, or not at all.
    """
    if reply.epoch < before.epoch:
        return {}
    known = {key: lease.duration_seconds for key, lease in before.leased.items()}
    return {
        key: lease.duration_seconds >= known.get(key, float("inf"))
        for lease in reply.leases
        if (key := PackageKey.of(lease)) not in after.fenced
    }


def _addresses(pods: list[NodePod], *, orders: Orders) -> dict[str, PackageKey]:
    """Of every pod that is not free; one of two packages counts as fenced if either is."""
    fenced = orders.fenced
    return {
        address: key
        for key, copies in sorted(orders.copies.items(), key=lambda each: each[0] in fenced)
        for pod in pods
        if any(pod.is_of(copy) for copy in copies)
        for address in pod.addresses
    }


def _check_leases(orders: Orders, *, granted: Collection[PackageKey]) -> None:
    closing = orders.leased.keys() - orders.fenced.keys() - set(granted)
    if closing:
        names = ", ".join(f"{key.namespace}/{key.package}" for key in sorted(closing)[:_SHOWN])
        raise AgentError(
            f"not in the reply: {names}",
            where="receiver",
            do="see that the node's token is valid, or withdraw the lease at the receiver",
        )


def _name(fence: Fence) -> tuple[PackageKey, str]:
    return PackageKey.of(fence), fence.id


def _check(reply: HeartbeatReply, *, before: Orders) -> None:
    if reply.epoch < before.epoch:
        raise AgentError(
            f"the receiver's epoch {reply.epoch} is below {before.epoch}, which was seen before",
            where="receiver",
            do="if it has lost its database on purpose, remove STATE_DIR/orders.json and restart",
        )
