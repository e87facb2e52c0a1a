"""Fencing: making sure that the copy on a lost cluster cannot run once the target's copy does.

Each way of it is tried, and says of which packages it is certain. What is certain of no package by
any way is a risk, and the policy says whether to take it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field
from transition_wire.model import DnsLabel, WireModel

from airflow_transition.core.claim import PackageFence
from airflow_transition.core.policy_failover import Unconfirmed


class Way(StrEnum):
    """In the order in which they are tried."""

    GIT = "git"
    """The lost cluster's repository wants no replica: it stays down when it returns."""
    API = "api"
    AGENTS = "agents"
    LEASE = "lease"
    HOOK = "hook"
    """What users implement: network, cloud, power."""
    PERSON = "person"
    """Whoever started the run says that the source is stopped."""


class FencingStep(WireModel):
    """What one way of fencing came to."""

    way: Way
    text: str
    certain_of: tuple[DnsLabel, ...] = ()
    """Packages of which no copy can run, or answer, on the lost cluster."""
    alive: bool = False
    """The lost cluster gave a sign of life."""
    seconds: float = Field(default=0, ge=0)

    def __str__(self) -> str:
        certain = f" (certain of {', '.join(self.certain_of)})" if self.certain_of else ""
        return f"{self.way}: {self.text}{certain}"


@dataclass(frozen=True)
class FenceResult:
    """What a fencing hook of the user's own gives back."""

    confirmed: bool
    """True only when it is certain that no copy runs on the lost cluster."""
    text: str


@dataclass(frozen=True)
class FencingDecision:
    """Whether the target may start its copies."""

    go_on: bool
    text: str
    uncertain: tuple[str, ...] = ()
    """Packages of which a partition could leave two copies."""


def decide_fencing(
    packages: Collection[str],
    *,
    steps: Sequence[FencingStep],
    policy: Unconfirmed,
    silent: bool,
    in_part: bool = False,
) -> FencingDecision:
    """`silent`: neither the lost cluster's API server nor any of its agents gave a sign so far.

    `in_part`: only nodes of the cluster are lost. That the rest of it lives says nothing of them.
    """
    silent = silent and (in_part or not any(step.alive for step in steps))
    certain = {package for step in steps for package in step.certain_of}
    uncertain = tuple(sorted(set(packages) - certain))
    if not uncertain:
        return FencingDecision(go_on=True, text="no copy can run on the lost cluster")
    named = ", ".join(uncertain)
    if policy == "Stop":
        text = f"nothing confirms that no copy of {named} runs; the policy says Stop"
        return FencingDecision(go_on=False, text=text, uncertain=uncertain)
    if policy == "GoOnIfSilent" and not silent:
        text = (
            f"nothing confirms that no copy of {named} runs, and the lost cluster gives a sign of "
            "life; the policy says GoOnIfSilent"
        )
        return FencingDecision(go_on=False, text=text, uncertain=uncertain)
    text = f"a partition could leave two copies of {named}; the policy says {policy}"
    return FencingDecision(go_on=True, text=text, uncertain=uncertain)


def agents_step(fences: Sequence[PackageFence], *, grace_seconds: float) -> FencingStep:
    """What the lost cluster's agents have reported since the claim."""
    heard = [one.nodes_silent_seconds for one in fences if one.nodes_silent_seconds is not None]
    certain = tuple(one.package for one in fences if one.nodes_fenced and not one.nodes_open)
    silent = sorted({node for one in fences for node in one.nodes_open})
    if not silent:
        text = "every agent reports that none of the pods runs" if certain else "no agent is known"
    else:
        text = f"no report from {', '.join(silent[:5])}{' and others' if len(silent) > 5 else ''}"  # noqa: PLR2004 - as many as a line takes
    alive = min(heard, default=grace_seconds) < grace_seconds
    return FencingStep(way=Way.AGENTS, text=text, certain_of=certain, alive=alive)


def lease_step(fences: Sequence[PackageFence]) -> FencingStep:
    """Whether the leases have run out on the lost cluster's nodes."""
    leased = [one for one in fences if one.lease_seconds is not None]
    certain = tuple(one.package for one in leased if one.lease_expired)
    if not leased:
        return FencingStep(way=Way.LEASE, text="no lease was given")
    running = [one.package for one in leased if not one.lease_expired]
    text = f"not certain to have run out: {', '.join(running)}" if running else "all have run out"
    return FencingStep(way=Way.LEASE, text=text, certain_of=certain)
