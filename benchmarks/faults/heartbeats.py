"""Heartbeats that get lost and late, and the silences that they leave.

A heartbeat is lost with probability `LOSS`, each by itself, and arrives up to `JITTER_SECONDS`
late. A lost one is followed by the next at the next interval. Between two silences nothing happens
that could be taken for a fault, so the stretches between them are drawn at once from their exact
distribution, instead of beat by beat.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from random import Random

LOSS = 0.05
JITTER_SECONDS = 0.5
LIFE_SECONDS = 3600.0
"""The receiver is restarted every hour."""
DOWN_SECONDS = 10.0
"""It hears nothing for so long while it restarts."""

_LOG_LOSS = math.log(LOSS)


@dataclass(frozen=True)
class Silence:
    """A gap between two heartbeats that may be long enough."""

    last_seen: float | None
    """None: nothing was heard since the receiver's start."""
    heard_again: float


@dataclass(frozen=True)
class Setting:
    """What a deployer sets."""

    interval: float
    grace: float

    def __str__(self) -> str:
        return f"{self.interval:g} s/{self.grace:g} s"

    @cached_property
    def losses(self) -> int:
        """Losses in a row that can make a gap as long as the grace period."""
        return max(0, math.ceil((self.grace - JITTER_SECONDS) / self.interval) - 1)

    @cached_property
    def waits(self) -> tuple[float, ...]:
        """For each number of beats the probability that such a run of losses begins by then.

        Counted from a beat that arrived. Shorter runs end in between, each with a beat that
        arrives: `ended[b]` is the probability that one ends after b beats and none was long enough.
        """
        beats = int(LIFE_SECONDS / self.interval) + 1
        ended = [1.0]
        for beat in range(1, beats):
            shorter = range(1, min(self.losses, beat) + 1)
            ended.append(sum(ended[beat - one] * LOSS ** (one - 1) for one in shorter) * (1 - LOSS))
        return tuple(accumulate(chance * LOSS**self.losses for chance in ended))


def more_losses(random: Random) -> int:
    """How many beats in a row are lost from here on."""
    return int(math.log(1 - random.random()) / _LOG_LOSS)


def silences(
    setting: Setting, *, started: float, ended: float, random: Random
) -> Iterator[Silence]:
    """Of one node in one life of the receiver; each gap in which it could be judged silent."""
    interval, waits, chance = setting.interval, setting.waits, random.random
    sent = started + chance() * interval + more_losses(random) * interval
    delay = chance() * JITTER_SECONDS
    if sent + delay >= started + setting.grace:
        yield Silence(None, min(sent + delay, ended))
    while True:
        wait = bisect_left(waits, chance())
        sent += wait * interval
        if wait == len(waits) or sent >= ended:
            return
        seen = sent + (chance() * JITTER_SECONDS if wait else delay)
        sent += (setting.losses + more_losses(random) + 1) * interval
        delay = chance() * JITTER_SECONDS
        if sent + delay - seen >= setting.grace:
            yield Silence(seen, min(sent + delay, ended))


@dataclass(frozen=True)
class Arrivals:
    """Every heartbeat of one node that arrives, drawn beat by beat."""

    moments: tuple[float, ...]

    @classmethod
    def draw(cls, setting: Setting, *, begin: float, end: float, random: Random) -> "Arrivals":
        sent, moments = begin + random.random() * setting.interval, []
        while sent < end:
            if random.random() >= LOSS:
                moments.append(sent + random.random() * JITTER_SECONDS)
            sent += setting.interval
        return cls(tuple(moments))

    def last(self, now: float, *, since: float) -> float | None:
        """The newest that the receiver has had by `now` in a life that began at `since`."""
        position = bisect_right(self.moments, now)
        newest = self.moments[position - 1] if position else None
        return newest if newest is not None and newest >= since else None
