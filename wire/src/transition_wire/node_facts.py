"""What a node can do, measured by the agent that runs on it."""

from pydantic import AwareDatetime

from transition_wire.model import DnsSubdomain, WireModel


class CriuCheck(WireModel):
    """The verdict of `criu check`: whether this node can checkpoint and restore at all."""

    passed: bool
    output: str
    """The first 2,000 characters of what it printed."""


class NodeFacts(WireModel):
    """Facts that decide whether a process checkpointed on one node restores on another.

    Versions are as the program prints them ("4.2.1"), None where it is not installed.
    """

    cluster: DnsSubdomain
    node: DnsSubdomain
    measured: AwareDatetime
    kernel: str
    architecture: str
    """As `uname -m` says: x86_64, aarch64."""
    cpu_model: str
    cpu_features: tuple[str, ...]
    """Sorted flags of /proc/cpuinfo; a target needs all those of the source."""
    xsave_size_bytes: int | None
    cgroup_version: int
    criu: str | None
    criu_check: CriuCheck | None
    runc: str | None
    containerd: str | None
    crio: str | None
    podman: str | None
    runc_conf: tuple[str, ...] | None = None
    """What /etc/criu/runc.conf has CRIU do at every checkpoint, a line each; empty: there is none.
    None: nobody looked."""
    containerd_restores: bool | None = None
    """Whether its configuration switches the restore from images on; None: it does not say."""
    crio_restores: bool | None = None
    """The same of CRI-O."""


def node_facts_key(*, prefix: str, cluster: str, node: str) -> str:
    """S3 key under which the agent keeps the newest facts of its node."""
    return f"{prefix}nodes/{cluster}/{node}.json"
