"""How old a package's newest restore point may become by its policy's own schedules."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from croniter import croniter

_MOST_FIRINGS = 1500
"""Of one schedule: more than a week of every ten minutes."""
_FAR = timedelta(days=400)
"""Every gap of a yearly schedule, and of no rarer one."""


def promise(schedules: Iterable[str], *, time_zone: str, now: datetime) -> timedelta | None:
    """The longest time between two firings of any of these crons; None: nothing is promised.

    A schedule that fires only on weekdays promises three days.
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return _promise(tuple(schedules), time_zone=time_zone, now=midnight)


@lru_cache(maxsize=256)
def _promise(schedules: tuple[str, ...], *, time_zone: str, now: datetime) -> timedelta | None:
    """Kept, since a thousand packages share a few crons and each costs a tenth of a second."""
    lists = [tuple(_firings(each, zone=ZoneInfo(time_zone), now=now)) for each in schedules]
    known = [firings for firings in lists if len(firings) > 1]
    if not known:
        return None
    end = min(firings[-1] for firings in known)
    moments = sorted({moment for firings in known for moment in firings if moment <= end})
    return max(later - earlier for earlier, later in pairwise(moments))


def _firings(cron: str, *, zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    found = croniter(cron, now.astimezone(zone)).all_next(datetime)
    for moment in islice(found, _MOST_FIRINGS):
        at = moment.astimezone(UTC)
        yield at
        if at > now + _FAR:
            return
