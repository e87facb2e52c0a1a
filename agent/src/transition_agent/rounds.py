"""The rounds: look at the node's pods, stop what must not run, and see that it is gone.

In a thread of its own, as a container runtime may take seconds. A new pod is noticed by the network
namespace that the runtime makes for it, so the runtime itself is asked seldom.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic

from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger
from transition_wire.heartbeat import Fence, RunningContainer

from transition_agent.archives import Wake
from transition_agent.heartbeat_metrics import HeartbeatMetrics
from transition_agent.node_signs import NodeSigns
from transition_agent.runtime import NodePod, Runtime
from transition_agent.troubles import Troubles
from transition_agent.warden import Doomed, Warden

_STOPS = 3
"""Times of stopping and looking again in one round; the next meets what starts after that."""

_IDLE = timedelta(seconds=10)
"""Without orders the pods are only listed in heartbeats."""

_GUARDED = timedelta(seconds=5)
_HOT = timedelta(seconds=1)
"""While a kubelet may soon start again what was stopped."""

_STAYS_HOT = timedelta(minutes=1)

_AFTER_CHANGE = tuple(timedelta(seconds=each) for each in (0.2, 0.4, 0.8, 1.6))
"""A pod's address comes a moment after its network namespace."""

_STEP = timedelta(milliseconds=100)
_NETWORKS = Path("/run/netns")
_MOST_CONTAINERS = 1000


class Rounds:
    def __init__(
        self,
        runtime: Runtime | None,
        *,
        warden: Warden,
        signs: NodeSigns,
        wake: Wake,
        wake_heart: Callable[[], None],
        metrics: HeartbeatMetrics,
        log: FilteringBoundLogger,
        networks: Path = _NETWORKS,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._runtime = runtime
        self._warden = warden
        self._signs = signs
        self._wake = wake
        self._wake_heart = wake_heart
        self._metrics = metrics
        self._log = log
        self._networks = networks
        self._now = now
        self._troubles = Troubles(log)
        self._changed = self._run_out = 0
        self._hot_until = float("-inf")
        self._after_change: list[timedelta] = []

    def run(self, stop: threading.Event, *, first: Callable[[], None]) -> None:
        """Until the agent stops; `first` is told of the end of the first round."""
        while not stop.is_set():
            pause = _HOT
            try:
                pause = self.look()
            except Exception:  # noqa: BLE001 - one failure must not end this for good
                self._log.exception("pods not looked at by a fault of the agent")
            first()
            self._rest(pause, stop=stop)

    def look(self) -> timedelta:
        """One round; how long until the next is due."""
        self._changed = self._networks_changed()
        self._run_out = self._warden.run_out
        self._warden.keep()
        fences, stopped = self._see(), False
        for _ in range(_STOPS):
            doomed = self._warden.doomed() if fences is not None else []
            if not doomed:
                break
            stopped = True
            self._stop(doomed)
            fences = self._see()
        if self._warden.confirm(fences or ()):
            self._wake_heart()
        self._count()
        return self._pause(hot=stopped or (fences is None and self._runtime is not None))

    def _see(self) -> tuple[Fence, ...] | None:
        """The fences that were known when the pods were listed; None: they could not be."""
        pods: list[NodePod] | None = None
        fences = self._warden.orders.fences
        if self._runtime is not None:
            with self._troubles.noted("the node's pods cannot be listed"):
                pods = self._runtime.pods()
                self._signs.containers = tuple(_running(pods))
        self._warden.see(pods)
        return None if pods is None else fences

    def _stop(self, doomed: list[Doomed]) -> None:
        if self._runtime is None:
            return
        with self._troubles.noted("containers that must not run cannot be stopped"):
            self._runtime.stop(each.container for each in doomed)
            for each in doomed:
                self._metrics.stopped.labels(each.reason).inc()
                self._log.warning(
                    "container stopped",
                    reason=each.reason,
                    package=each.package,
                    pod=f"{each.pod.namespace}/{each.pod.name}",
                    container=each.container.name,
                )

    def _pause(self, *, hot: bool) -> timedelta:
        """Until the next round."""
        if not self._warden.has_orders:
            return _IDLE
        if hot:
            self._hot_until = self._now() + _STAYS_HOT.total_seconds()
        return _HOT if self._now() < self._hot_until else _GUARDED

    def _rest(self, pause: timedelta, *, stop: threading.Event) -> None:
        """Ends early when orders change, a lease runs out or, while there are any, a pod comes."""
        if self._after_change:
            pause = min(pause, self._after_change.pop(0))
        due = self._now() + pause.total_seconds()
        while not stop.is_set() and not self._wake.is_set() and (left := due - self._now()) > 0:
            if not self._warden.has_orders:  # whoever brings some wakes this up
                self._wake.wait(timedelta(seconds=left))
                continue
            self._wake.wait(min(_STEP, timedelta(seconds=left)))
            if self._warden.run_out != self._run_out:
                break
            if self._networks_changed() != self._changed:
                self._after_change = list(_AFTER_CHANGE)
                break
        self._wake.rest()

    def _networks_changed(self) -> int:
        with suppress(OSError):
            return self._networks.stat().st_mtime_ns
        return 0

    def _count(self) -> None:
        orders = self._warden.orders
        ids = {fence.id for fence in orders.fences}
        confirmed = set(self._warden.fenced())
        self._metrics.fences.labels("confirmed").set(len(confirmed))
        self._metrics.fences.labels("open").set(len(ids - confirmed))


def _running(pods: Iterable[NodePod]) -> Iterable[RunningContainer]:
    found = [(pod, container) for pod in pods for container in pod.running]
    for pod, container in found[:_MOST_CONTAINERS]:
        with suppress(ValidationError):  # a name that Kubernetes does not give: not its container
            yield RunningContainer(namespace=pod.namespace, pod=pod.name, container=container.name)
