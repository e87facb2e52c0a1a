"""What is going to happen in each run: drawn from a seed, so that a run can be had again."""

import random
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Literal

from lab.faults import PARTS, Part

Fault = Literal["kill", "partition"]


class Victim(StrEnum):
    """A part that is killed in a failover's middle, and started again."""

    RECEIVER = "receiver"
    API_SERVER = "api-server"
    SCHEDULER = "scheduler"
    TRIGGERER = "triggerer"
    DAG_PROCESSOR = "dag-processor"
    SOURCE_AGENT = "source agent"
    TARGET_AGENT = "target agent"
    GIT = "git"
    REGISTRY = "registry"
    S3 = "s3"
    TARGET_API = "target API server"
    TARGET_GITOPS = "target GitOps engine"


class Moment(StrEnum):
    """How far the failover has come."""

    FAULT = "fault"
    """The cluster is gone; nobody knows yet."""
    DETECTED = "detected"
    """The failover run is there."""
    PLANNING = "planning"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    """The target's repository has the commit."""
    VERIFYING = "verifying"


@dataclass(frozen=True)
class Disturbance:
    victim: Victim
    moment: Moment
    delay_seconds: float
    """After the moment."""
    down_seconds: float

    def __str__(self) -> str:
        return (
            f"{self.victim} at {self.moment} +{self.delay_seconds:.2f} s"
            f" for {self.down_seconds:.1f} s"
        )


@dataclass(frozen=True)
class Scenario:
    number: int
    fault: Fault
    disturbances: tuple[Disturbance, ...]
    return_order: tuple[Part, ...]
    """In which the parts of a killed source start again."""

    def __str__(self) -> str:
        return f"{self.fault}; {'; '.join(map(str, self.disturbances))}"


def scenarios(seed: int, *, runs: int) -> list[Scenario]:
    """Every victim at every moment once before any comes again; later runs have two victims."""
    chance = random.Random(seed)  # noqa: S311 - it has to come again
    pairs = list(product(Victim, Moment))
    made: list[Scenario] = []
    while len(made) < runs:
        chance.shuffle(pairs)
        for victim, moment in pairs[: runs - len(made)]:
            more = [chance.choice(pairs)] if len(made) >= len(pairs) else []
            made.append(_scenario(len(made) + 1, chance=chance, pairs=[(victim, moment), *more]))
    return made


def _scenario(
    number: int, *, chance: random.Random, pairs: list[tuple[Victim, Moment]]
) -> Scenario:
    victims = {victim for victim, _ in pairs}
    fault: Fault = (
        "partition" if Victim.SOURCE_AGENT in victims else chance.choice(("kill", "partition"))
    )
    disturbances = tuple(
        Disturbance(
            victim,
            moment=moment,
            delay_seconds=chance.uniform(0, 0.6),
            down_seconds=chance.uniform(0.2, 4),
        )
        for victim, moment in dict(pairs).items()
    )
    return Scenario(
        number,
        fault=fault,
        disturbances=disturbances,
        return_order=tuple(chance.sample(PARTS, len(PARTS))),
    )
