"""A cron expression as policies write it."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from croniter import croniter
from croniter.croniter import CroniterError
from pydantic import AfterValidator

_CRON_FIELDS = 5
_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_CRON_NAMES = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly"})


@lru_cache(maxsize=256)
def _cron(expression: str) -> str:
    """As a CronJob of Kubernetes takes it: five fields or a name; seconds would be misread.

    Kept, since a thousand policies share a few crons and croniter takes half of a policy's time.
    """
    if expression in _CRON_NAMES:
        return expression
    found = len(expression.split())
    if found != _CRON_FIELDS:
        raise ValueError(
            f"{found} fields where a cron has 5 (minute hour day month weekday), "
            f"or one of {', '.join(sorted(_CRON_NAMES))}"
        )
    if any(field[0] in "rRhH" for field in expression.split()):
        raise ValueError("random and hashed values would give each parse another schedule")
    try:
        croniter(expression, _ANY_DAY).get_next()
    except (CroniterError, ValueError) as error:
        raise ValueError(f"never matches or is not a cron: {error}") from None
    return expression


Cron = Annotated[str, AfterValidator(_cron)]
