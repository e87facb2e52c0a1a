"""Keep the node's facts in S3 fresh, and at hand for checkpoint records."""

import threading
from collections.abc import Callable
from datetime import timedelta

from pydantic import ValidationError
from structlog.typing import FilteringBoundLogger
from transition_wire.node_facts import NodeFacts

from transition_agent.errors import AgentError
from transition_agent.logs import fields_of
from transition_agent.s3_errors import StoreError

_RETRY = timedelta(seconds=5)
_PROGRAMS = ("criu", "runc", "containerd", "crio", "podman")


class FactsKeeper:
    """Measures at start and at every interval, and publishes each time: their age is a sign too."""

    def __init__(
        self,
        measure: Callable[[], NodeFacts],
        *,
        publish: Callable[[NodeFacts], None],
        interval: timedelta,
        log: FilteringBoundLogger,
    ) -> None:
        self._measure = measure
        self._publish = publish
        self._interval = interval
        self._log = log
        self._measured = threading.Event()
        self._facts: NodeFacts | None = None

    def current(self) -> NodeFacts:
        """The newest facts; waits for the first measurement, which takes a second or two."""
        self._measured.wait()
        if self._facts is None:
            raise AgentError("the node's facts are not known", where="agent", do="see the log")
        return self._facts

    def run(self, stop: threading.Event) -> None:
        """Until the agent stops."""
        while not stop.is_set():
            done = False
            try:
                done = self._refresh()
            except Exception:  # noqa: BLE001 - one failure must not end this for good
                self._log.exception("node facts not published by a fault of the agent")
            self._measured.set()  # whoever waits for facts that cannot be had is told so
            pause = self._interval if done else min(_RETRY, self._interval)
            stop.wait(pause.total_seconds())

    def _refresh(self) -> bool:
        try:
            facts = self._measure()
        except (AgentError, OSError, ValidationError) as error:
            self._log.error("node facts cannot be measured", error=f"{error}")
            return False
        self._note_change(facts)
        self._facts = facts
        self._measured.set()
        try:
            self._publish(facts)
        except StoreError as error:
            self._log.warning("node facts not published, trying again", **fields_of(error))
            return False
        return True

    def _note_change(self, facts: NodeFacts) -> None:
        if self._facts is None:
            programs = facts.model_dump(include={"kernel", *_PROGRAMS})
            passed = facts.criu_check.passed if facts.criu_check else None
            self._log.info("node facts measured", **programs, criu_check=passed)
            return
        before, after = (each.model_dump(exclude={"measured"}) for each in (self._facts, facts))
        changed = [name for name in after if before[name] != after[name]]
        if changed:
            self._log.info("node facts changed", changed=changed)
