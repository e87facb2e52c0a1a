"""A whole fleet, in tellings: policies of ten packages, each from one cluster to four others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from airflow_transition.core.catalogue import Told, ToldPoint, ToldPolicy
from benchmarks.pages.samples import NOW, node_facts, policy, restore_point, transition

PACKAGES_OF_A_POLICY = 10
_TARGETS = 4
_EVERY = timedelta(minutes=10)
_BATCH = 500
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Size:
    clusters: int
    packages: int
    points: int
    transitions: int
    nodes: int = 3
    """Of a cluster."""


def large_fleet(size: Size, *, now: datetime = NOW) -> Iterator[Told]:
    """Each package has its newest restore point some minutes before `now`."""
    names = [f"cluster{number:04d}" for number in range(size.clusters)]
    nodes = [(name, f"node-{node}") for name in names for node in range(size.nodes)]
    for some in _batches(nodes):
        yield Told(facts=tuple(node_facts(*node) for node in some))
    policies = [
        _policy(number, names=names) for number in range(size.packages // PACKAGES_OF_A_POLICY)
    ]
    for told in _batches(policies, size=100):
        yield Told(policies=told)
    for begin in range(0, size.points, _BATCH):
        numbers = range(begin, min(begin + _BATCH, size.points))
        yield Told(points=tuple(_point(each, policies=policies, now=now) for each in numbers))
    stories = [
        transition(
            f"policy/{number}@1",
            began=now - timedelta(hours=number),
            policy=policies[number % len(policies)].policy,
            source=policies[number % len(policies)].source,
            target=policies[number % len(policies)].targets[0].cluster,
            packages=("package1",),
        )
        for number in range(size.transitions)
    ]
    for over in _batches(stories):
        yield Told(transitions=over)


def _policy(number: int, *, names: Sequence[str]) -> ToldPolicy:
    others = [names[(number + step) % len(names)] for step in range(1, _TARGETS + 1)]
    return policy(
        f"policy{number:04d}",
        source=names[number % len(names)],
        targets=tuple(dict.fromkeys(others)),
        packages=tuple(f"package{each}" for each in range(PACKAGES_OF_A_POLICY)),
    )


def _point(number: int, *, policies: Sequence[ToldPolicy], now: datetime) -> ToldPoint:
    """Round after round over all packages, each round ten minutes before the one before."""
    owner = policies[number // PACKAGES_OF_A_POLICY % len(policies)]
    age = number // (PACKAGES_OF_A_POLICY * len(policies)) * _EVERY
    point = restore_point(
        policy=owner.policy,
        package=f"package{number % PACKAGES_OF_A_POLICY}",
        cluster=owner.source,
        namespace=owner.policy,
        created=now - age - timedelta(seconds=60 + number % 500),
        node=node_facts(owner.source, "node-0"),
    )
    return ToldPoint(point=point)


def _batches(items: Sequence[T], *, size: int = _BATCH) -> Iterator[tuple[T, ...]]:
    for begin in range(0, len(items), size):
        yield tuple(items[begin : begin + size])
