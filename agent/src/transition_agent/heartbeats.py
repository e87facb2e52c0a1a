"""The heart: a thread of its own that tells the receiver at every interval that the node lives.

Before each heartbeat the leases are prepared, so that they count from then; what the reply orders
is carried out before anything else. A receiver that is merely away costs nothing but this interval:
the first heartbeat that gets through matters. One that refuses is asked less often.
"""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Protocol

from structlog.typing import FilteringBoundLogger
from transition_wire.heartbeat import Heartbeat, HeartbeatReply, HeldLease

from transition_agent.archives import Wake
from transition_agent.errors import AgentError
from transition_agent.heartbeat_metrics import HeartbeatMetrics
from transition_agent.logs import fields_of
from transition_agent.node_signs import NodeSigns
from transition_agent.orders import PackageKey
from transition_agent.receiver import MOST_BODY_BYTES, HeartbeatRefused, Receiver

_JITTER = 0.1
"""Of the interval at most, and only ever earlier: many nodes do not stay in step."""

_LONGEST_PAUSE = timedelta(minutes=1)

Prepared = Mapping[PackageKey, float]
"""Packages whose leases were prepared, and when each runs out on the warden's clock."""


class Warden(Protocol):
    """Who sees to what the receiver's replies order."""

    def prepare(self) -> Prepared:
        """Whatever has to be in place before a heartbeat is sent."""

    def take(self, reply: HeartbeatReply, *, prepared: Prepared) -> bool:
        """Carry out; whether the next heartbeat should follow at once."""

    def fenced(self) -> tuple[str, ...]:
        """For `Heartbeat.fenced`."""

    def held(self) -> tuple[HeldLease, ...]:
        """For `Heartbeat.leases`."""


@dataclass
class _Course:
    """How it went lately, so that each change is logged once."""

    accepted: float | None = None
    """When the last accepted heartbeat was sent."""
    trouble: str = ""
    refusals: int = 0
    trimmed: bool = False


class Heart:
    def __init__(
        self,
        receiver: Receiver,
        *,
        signs: NodeSigns,
        warden: Warden,
        interval: timedelta,
        wake: Wake,
        metrics: HeartbeatMetrics,
        log: FilteringBoundLogger,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._receiver = receiver
        self._signs = signs
        self._warden = warden
        self._interval = interval
        self._wake = wake
        self._metrics = metrics
        self._log = log
        self._now = now
        self._course = _Course()
        metrics.age_by(self._age)

    def run(self, stop: threading.Event) -> None:
        """Until the agent stops."""
        due = self._now()
        while not stop.is_set():
            begun = self._now()
            try:
                due = begun + self.beat().total_seconds()
            except Exception:  # noqa: BLE001 - one failure must not end the heartbeats for good
                self._log.exception("heartbeat not sent by a fault of the agent")
                due = begun + self._interval.total_seconds()
            self._rest(due, stop=stop)

    def _rest(self, due: float, *, stop: threading.Event) -> None:
        """Until the next heartbeat is due, or is wanted now, or a refused token was replaced."""
        refused = self._course.refusals > 0
        while not stop.is_set() and (left := due - self._now()) > 0:
            pause = timedelta(seconds=left)
            self._wake.wait(min(pause, self._interval) if refused else pause)
            if self._receiver.token_is_new if refused else self._wake.is_set():
                break
            self._wake.rest()
        self._wake.rest()

    def beat(self) -> timedelta:
        """Send one heartbeat and carry out the reply; how long after its begin the next is due."""
        prepared = self._warden.prepare()
        heartbeat = self._signs.heartbeat().model_copy(
            update={"fenced": self._warden.fenced(), "leases": self._warden.held()}
        )
        sent = self._now()
        try:
            reply = self._receiver.send(self._body(heartbeat))
        except HeartbeatRefused as error:
            return self._refused(error)
        except AgentError as error:
            return self._away(error)
        self._metrics.seconds.observe(self._now() - sent)
        more = self._warden.take(reply, prepared=prepared)
        self._signs.accepted(heartbeat)
        self._accepted(sent, epoch=reply.epoch)
        return timedelta() if more else _earlier(self._interval)

    def _accepted(self, sent: float, *, epoch: int) -> None:
        self._metrics.heartbeats.labels("accepted").inc()
        self._metrics.epoch.set(epoch)
        course = self._course
        if course.trouble or course.accepted is None:
            silent = None if course.accepted is None else round(sent - course.accepted, 1)
            self._log.info("heartbeats are accepted", epoch=epoch, silent_seconds=silent)
        self._course = _Course(accepted=sent, trimmed=course.trimmed)

    def _refused(self, error: HeartbeatRefused) -> timedelta:
        """Asking again soon cannot help and would load the receiver: twice as long each time."""
        self._metrics.heartbeats.labels("refused").inc()
        self._note(error)
        self._course.refusals += 1
        slower: timedelta = self._interval * 2 ** min(self._course.refusals, 12)
        return _earlier(max(min(slower, _LONGEST_PAUSE), self._interval))

    def _away(self, error: AgentError) -> timedelta:
        self._metrics.heartbeats.labels("unreachable").inc()
        self._note(error)
        self._course.refusals = 0
        return _earlier(self._interval)

    def _note(self, error: AgentError) -> None:
        """Each trouble once, until heartbeats are accepted again or it becomes another one."""
        if self._course.trouble != error.what:
            self._log.error("heartbeats are not accepted", **fields_of(error))
        self._course.trouble = error.what

    def _body(self, heartbeat: Heartbeat) -> bytes:
        """As large as the receiver takes: what is left out only makes the node look worse."""
        body = _json(heartbeat)
        for name in ("containers", "leases", "fenced"):
            while len(body) > MOST_BODY_BYTES and (entries := getattr(heartbeat, name)):
                heartbeat = heartbeat.model_copy(update={name: entries[: len(entries) // 2]})
                body = _json(heartbeat)
                self._note_trimmed(name)
        return body

    def _note_trimmed(self, name: str) -> None:
        if not self._course.trimmed:
            self._log.warning("heartbeats are too large, some entries are left out", field=name)
        self._course.trimmed = True

    def _age(self) -> float:
        accepted = self._course.accepted
        return float("nan") if accepted is None else self._now() - accepted


def _earlier(pause: timedelta) -> timedelta:
    return pause * (1 - random.uniform(0, _JITTER))  # noqa: S311 - no secret


def _json(heartbeat: Heartbeat) -> bytes:
    return heartbeat.model_dump_json().encode()
