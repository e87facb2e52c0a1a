"""Errors that come again and again: each is logged once, until it is another one or is over."""

from collections.abc import Iterator
from contextlib import contextmanager

from structlog.typing import FilteringBoundLogger

from transition_agent.errors import AgentError
from transition_agent.logs import fields_of


class Troubles:
    """For work that is done anew soon, whether it went well or not."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._known: dict[str, str] = {}

    @contextmanager
    def noted(self, event: str) -> Iterator[None]:
        """Go on after an error: whatever follows is done again at the next heartbeat or look."""
        try:
            yield
        except AgentError as error:
            self.note(event, error)
        else:
            if self._known.pop(event, None):
                self._log.info("it is well again", after=event)

    def note(self, event: str, error: AgentError) -> None:
        if self._known.get(event) != error.what:
            self._log.error(event, **fields_of(error))
        self._known[event] = error.what
