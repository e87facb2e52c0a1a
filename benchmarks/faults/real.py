"""Clusters and nodes that do die: each is found, and how long it takes.

Everything in a window around the fault is drawn beat by beat. The product sleeps until the health
of some node changes, and looks then; so does this.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from airflow_transition.core.claim import Claim
from airflow_transition.core.cluster_health import ApiSign, SecondSignal
from airflow_transition.core.health_report import FleetReport
from airflow_transition.core.node_health import next_change
from benchmarks.faults.decisions import CLUSTER, Moment, ask, judge
from benchmarks.faults.healthy import AGENTS
from benchmarks.faults.heartbeats import DOWN_SECONDS, LIFE_SECONDS, Arrivals, Setting

KUBERNETES_SECONDS = 50.0
"""Until Kubernetes itself says that a node is not ready (node-monitor-grace-period)."""
_DEAD_NODE = "n0"


@dataclass(frozen=True)
class Found:
    """One real fault."""

    from_fault: float
    """Seconds from the fault to the claim, or to the verdict on the node."""
    beyond_grace: float
    """Seconds from the end of the grace period after the last heartbeat that the receiver had."""


@dataclass(frozen=True)
class Window:
    """Three clusters and a receiver around a fault at 0."""

    setting: Setting
    lives: Sequence[tuple[float, float]]
    """From when to when the receiver hears anything."""
    heard: Mapping[str, Sequence[Arrivals]]

    @property
    def end(self) -> float:
        return self.lives[-1][1]

    def moment(self, now: float) -> Moment | None:
        """None: the receiver is not there."""
        since = next((begin for begin, end in self.lives if begin <= now < end), None)
        return None if since is None else Moment(now, since, self.setting.grace)

    def looks(self) -> Sequence[float]:
        """The moments at which the first cluster may look different."""
        moments = set[float]()
        for begin, end in self.lives:
            for arrivals in self.heard[CLUSTER]:
                seen = [one for one in arrivals.moments if begin <= one < end]
                moments |= self._changes(None, since=begin)
                for one in seen:
                    moments |= self._changes(one, since=begin)
        return sorted(moment for moment in moments if 0 <= moment < self.end)

    def _changes(self, seen: float | None, *, since: float) -> set[float]:
        moments, now = set[float](), since if seen is None else seen
        while True:
            changed = next_change(
                seen, listening_since=since, now=now, grace_seconds=self.setting.grace
            )
            if changed is None:
                return moments
            moments.add(changed)
            now = changed

    def fleet(self, moment: Moment) -> FleetReport:
        since, now = moment.listening_since, moment.now
        return moment.fleet(
            {
                name: [arrivals.last(now, since=since) for arrivals in nodes]
                for name, nodes in self.heard.items()
            }
        )

    def found(self, now: float, *, dead: int) -> Found:
        last = max(
            arrivals.last(now, since=-math.inf) or -math.inf
            for arrivals in self.heard[CLUSTER][:dead]
        )
        return Found(from_fault=now, beyond_grace=now - last - self.setting.grace)


def lose_cluster(setting: Setting, *, random: Random) -> Found:
    """All of its nodes and its API server, at once; the claim is asked for until it is given."""
    window = _window(setting, dead=AGENTS, random=random)
    looks = list(window.looks())
    while looks:
        moment = window.moment(looks.pop(0))
        if moment is None:
            continue
        fleet = window.fleet(moment)
        if not judge(fleet, second=SecondSignal(ApiSign.SILENT)).lost:
            continue
        answer = ask(fleet, moment=moment)
        if isinstance(answer, Claim):
            return window.found(moment.now, dead=AGENTS)
        if answer.retry_seconds is None:
            raise RuntimeError(f"{setting}: a cluster died, and no claim: {answer.text}")
        looks.insert(0, moment.now + answer.retry_seconds)
    raise RuntimeError(f"{setting}: a cluster that died was not found in {window.end:.0f} s")


def lose_node(setting: Setting, *, random: Random) -> Found:
    """One node of a cluster whose API server lives: it alone is to be named."""
    window = _window(setting, dead=1, random=random)
    for now in sorted([*window.looks(), KUBERNETES_SECONDS]):
        moment = window.moment(now)
        if moment is None:
            continue
        verdict = judge(window.fleet(moment), second=_of_nodes(now))
        if verdict.lost:
            raise RuntimeError(f"{setting}: one node died, and its cluster was given up")
        if verdict.lost_nodes == (_DEAD_NODE,):
            return window.found(now, dead=1)
        if verdict.lost_nodes:
            raise RuntimeError(f"{setting}: live nodes were given up: {verdict}")
    raise RuntimeError(f"{setting}: a node that died was not found in {window.end:.0f} s")


def _of_nodes(now: float) -> SecondSignal:
    if now < KUBERNETES_SECONDS:
        return SecondSignal(ApiSign.ANSWERS)
    return SecondSignal(ApiSign.NODES_NOT_READY, nodes_not_ready=frozenset({_DEAD_NODE}))


def _window(setting: Setting, *, dead: int, random: Random) -> Window:
    """The fault falls anywhere into a receiver's hour, its restart included."""
    before = 2 * setting.grace
    after = KUBERNETES_SECONDS + DOWN_SECONDS + 3 * setting.grace
    begin = DOWN_SECONDS - random.random() * LIFE_SECONDS
    restart = begin + LIFE_SECONDS
    lives = [(begin, min(restart - DOWN_SECONDS, after)), (min(restart, after), after)]
    heard = {}
    for name in (CLUSTER, "cluster2", "cluster3"):
        dying = dead if name == CLUSTER else 0
        heard[name] = [
            Arrivals.draw(setting, begin=-before, end=0 if n < dying else after, random=random)
            for n in range(AGENTS)
        ]
    return Window(setting=setting, lives=lives, heard=heard)
