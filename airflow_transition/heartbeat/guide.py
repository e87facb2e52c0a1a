"""The guide's heartbeat: understood where the deployer says so, shown, and never trusted."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from transition_wire.model import DnsSubdomain

from airflow_transition.heartbeat.receiver import Receiver

_Text = Annotated[str, Field(max_length=1000)]


class GuideHeartbeat(BaseModel):
    """The fields of the guide's agent. What else it sends is not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    node: DnsSubdomain
    cluster_name: DnsSubdomain
    mem_total_bytes: int | None = Field(default=None, ge=0)
    mem_used_bytes: int | None = Field(default=None, ge=0)
    os: _Text | None = None
    arch: _Text | None = None


class UntrustedReply(BaseModel):
    """Says no more than that it arrived."""

    trusted: bool = False


def hear_guide(receiver: Receiver, *, heartbeat: GuideHeartbeat) -> str | None:
    """Take it; or why not."""
    cluster, name = heartbeat.cluster_name, heartbeat.node
    node = receiver.fleet.find(cluster, node=name)
    if node is not None and node.trusted:
        return "this node has a token: heartbeats without it are not taken"
    node = node or receiver.fleet.add_untrusted(cluster, node=name)
    if node is None:
        return f"more than {receiver.settings.most_guide_nodes} nodes without a token"
    sequence = node.identities[0][2] + 1 if node.identities else 1
    node.hear("", agent_id="", sequence=sequence, now=receiver.now())
    node.last_seen = receiver.wall()
    node.agent_version = "guide"
    receiver.heard(node)
    return None
