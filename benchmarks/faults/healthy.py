"""Clusters that never die: how often they look dead, and whether anything would be moved.

A moment is decided by the product's functions wherever two signs meet: two agents silent at once,
or one agent and the API server. At other moments there is at most one sign.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from random import Random

from airflow_transition.core.claim import Claim
from airflow_transition.core.cluster_health import ApiSign, SecondSignal
from airflow_transition.core.health_report import Health
from airflow_transition.core.node_health import Listening, node_health
from benchmarks.faults.decisions import CLUSTER, Moment, ask, judge
from benchmarks.faults.heartbeats import DOWN_SECONDS, LIFE_SECONDS, Setting, Silence, silences

AGENTS = 3
GLITCH_SECONDS = 30.0
BETWEEN_GLITCHES_SECONDS = 30_000.0
"""An API server does not answer for 30 s on average and for 0.1 % of the time, 43 minutes a month.
Its glitches have nothing to do with lost heartbeats."""
_JUST_BEFORE = 1e-6
"""Seconds before a node is heard again: where its silence is longest."""


@dataclass(frozen=True)
class Span:
    begin: float
    end: float
    last_seen: float | None = None
    """Of the agent that is silent here."""


@dataclass
class Tally:
    """What was counted."""

    node_hours: int = 0
    silent_nodes: int = 0
    """Silences of nodes that were alive: what heartbeats alone would have called faults."""
    silent_clusters: int = 0
    """All agents of a cluster at once."""
    decided: int = 0
    false_failovers: int = 0
    false_of_one_agent: int = 0
    """What there would have been if each agent were the only one of its cluster."""

    def add(self, other: "Tally") -> None:
        for name, count in vars(other).items():
            setattr(self, name, getattr(self, name) + count)


@dataclass
class Glitches:
    """When one API server does not answer."""

    random: Random
    span: Span = Span(0.0, 0.0)

    def until(self, ended: float, *, started: float) -> list[Span]:
        found = []
        while self.span.begin < ended:
            if self.span.end > started:
                found.append(self.span)
            if self.span.end >= ended:
                break
            begin = self.span.end + self.random.expovariate(1 / BETWEEN_GLITCHES_SECONDS)
            self.span = Span(begin, begin + self.random.expovariate(1 / GLITCH_SECONDS))
        return found


@dataclass(frozen=True)
class Life:
    """One life of the receiver, as one cluster looks in it."""

    setting: Setting
    listening: Listening
    wall: timedelta
    agents: Sequence[Sequence[Span]]
    """The silences of each."""
    glitches: Sequence[Span]

    def judge(self, tally: Tally) -> None:
        for one, other in combinations(self.agents, 2):
            for now in _meetings(one, other):
                self._decide(now, tally=tally)
        for spans in self.agents:
            for now in _meetings(spans, self.glitches):
                self._decide(now, tally=tally)
                tally.false_of_one_agent += self._claimed([self._seen(spans, now=now)], now=now)

    def _decide(self, now: float, *, tally: Tally) -> None:
        tally.decided += 1
        tally.false_failovers += self._claimed(
            [self._seen(spans, now=now) for spans in self.agents], now=now
        )

    def _claimed(self, seen: Sequence[float | None], *, now: float) -> bool:
        """Whether the cluster would be moved at this moment; the other two are well."""
        moment = Moment(now, self.listening.since, self.setting.grace, self.wall)
        well = [now - self.setting.interval / 2]
        fleet = moment.fleet({CLUSTER: seen, "cluster2": well, "cluster3": well})
        verdict = judge(fleet, second=self._second(now))
        return verdict.lost and isinstance(ask(fleet, moment=moment), Claim)

    def _second(self, now: float) -> SecondSignal:
        glitch = any(span.begin <= now < span.end for span in self.glitches)
        return SecondSignal(ApiSign.SILENT if glitch else ApiSign.ANSWERS)

    def _seen(self, spans: Sequence[Span], *, now: float) -> float | None:
        found = next((span for span in spans if span.begin <= now < span.end), None)
        return now - self.setting.interval / 2 if found is None else found.last_seen


def live(setting: Setting, *, clusters: int, hours: int, seed: int) -> Tally:
    """So many clusters for so many hours; the receiver lives one of them at a time."""
    tally, random = Tally(node_hours=clusters * hours * AGENTS), Random(seed)  # noqa: S311 - no secret
    for _ in range(clusters):
        glitches = Glitches(random)
        for hour in range(hours):
            started, ended = hour * LIFE_SECONDS + DOWN_SECONDS, (hour + 1) * LIFE_SECONDS
            agents = [
                list(_silent(setting, started=started, ended=ended, random=random))
                for _ in range(AGENTS)
            ]
            tally.silent_nodes += sum(map(len, agents))
            tally.silent_clusters += _all_at_once(agents)
            Life(
                setting=setting,
                listening=Listening.begin(started),
                wall=timedelta(seconds=random.choice((-30, 0, 30))),
                agents=agents,
                glitches=glitches.until(ended, started=started),
            ).judge(tally)
    return tally


def _silent(setting: Setting, *, started: float, ended: float, random: Random) -> Iterator[Span]:
    """The gaps in which the node was judged silent."""
    for gap in silences(setting, started=started, ended=ended, random=random):
        health = node_health(
            gap.last_seen,
            listening_since=started,
            now=gap.heard_again - _JUST_BEFORE,
            grace_seconds=setting.grace,
        )
        if health is Health.NOT_READY:
            yield Span(_begin(gap, started=started) + setting.grace, gap.heard_again, gap.last_seen)


def _begin(gap: Silence, *, started: float) -> float:
    return started if gap.last_seen is None else gap.last_seen


def _meetings(one: Sequence[Span], other: Sequence[Span]) -> Iterator[float]:
    """The moments from which on a span of each lasts."""
    first = second = 0
    while first < len(one) and second < len(other):
        a, b = one[first], other[second]
        begin = max(a.begin, b.begin)
        if begin < min(a.end, b.end):
            yield begin
        if a.end < b.end:
            first += 1
        else:
            second += 1


def _all_at_once(agents: Sequence[Sequence[Span]]) -> int:
    common = list(agents[0])
    for spans in agents[1:]:
        common = [
            Span(max(a.begin, b.begin), min(a.end, b.end))
            for a in common
            for b in spans
            if max(a.begin, b.begin) < min(a.end, b.end)
        ]
        if not common:
            return 0
    return len(common)
