"""A fault as the failover DAG is told of it: the payload of the event that starts its run."""

from typing import Any

from pydantic import AwareDatetime, Field
from transition_wire.model import DnsSubdomain, WireModel


class Fault(WireModel):
    """A cluster, or some of its nodes, that two signals say is lost.

    The plan asks both signals again: what is written here is why the run was started.
    """

    policy: DnsSubdomain
    cluster: DnsSubdomain
    epoch: int = Field(ge=1)
    """The cluster's, as its silence was seen; with the cluster it is what a claim is given for."""
    nodes: tuple[DnsSubdomain, ...] = ()
    """Empty: the whole cluster is lost; else only these nodes, and what ran on them."""
    grace_seconds: float
    silent_seconds: float
    """Of the node heard from last among those that are lost."""
    evidence: tuple[str, ...]
    """What each signal says, for people."""
    seen: AwareDatetime
    """The triggerer's clock, for people."""

    def as_payload(self) -> dict[str, Any]:
        return self.model_dump(mode="json")
