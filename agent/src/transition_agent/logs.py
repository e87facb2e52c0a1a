"""JSON lines on stderr: one object for each event, never an archive's content or a secret."""

import logging
import sys

import structlog
from structlog.typing import FilteringBoundLogger

from transition_agent.errors import AgentError


def configure(level: str) -> FilteringBoundLogger:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    log: FilteringBoundLogger = structlog.get_logger()
    return log


def fields_of(error: AgentError | OSError) -> dict[str, str]:
    """What, where, what to do, and the name of the client library's error behind it."""
    fields = {"error": type(error).__name__}
    if not isinstance(error, AgentError):
        return {**fields, "what": str(error)}
    fields |= {"what": error.what, "where": error.where, "do": error.do}
    if error.__cause__ is not None:
        fields["cause"] = f"{type(error.__cause__).__name__}: {error.__cause__}"[:500]
    return fields
