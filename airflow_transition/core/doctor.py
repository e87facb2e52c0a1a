"""What the doctor looks at and what it says: checks, their findings, and the report of all.

Pure: what was found out is passed in (`core/node_checks.py` and its neighbours), by whoever asks
the outside (`operators/checkup.py`). The guide's Prerequisites, Notes and Troubleshooting are here.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Self

from pydantic import model_validator
from transition_wire.model import WireModel

_NAMED_NODES = 3
"""More names would hide the sentence; JSON has all of them."""


class Status(StrEnum):
    """How a check ended; from good to bad."""

    OK = "ok"
    UNKNOWN = "unknown"
    """It could not be found out."""
    WARNING = "warning"
    """It works, but not as it should, or not everywhere."""
    FAILED = "failed"
    """A checkpoint, a move or a failover will not work."""


class Check(StrEnum):
    """What is looked at, in the order of the report."""

    API_SERVER = "api-server"
    KUBERNETES = "kubernetes"
    RIGHTS = "rights"
    NODES_READY = "nodes-ready"
    AGENT = "agent"
    HEARTBEAT = "heartbeat"
    KUBELET = "kubelet"
    CHECKPOINT = "checkpoint"
    RUNTIME = "runtime"
    RUNC = "runc"
    RUNC_CONF = "runc-conf"
    CRIU = "criu"
    NODE_FIT = "node-fit"
    POD_NETWORK = "pod-network"
    CLOUD_CONTROLLER = "cloud-controller"
    CLOUD_NETWORK = "cloud-network"
    NETWORK_POLICY = "network-policy"
    NAMESPACE = "namespace"
    GITOPS = "gitops"
    ENGINE = "engine"
    GIT = "git"
    PACKAGE = "package"
    BUCKET = "bucket"
    BUCKET_PRIVATE = "bucket-private"
    REGISTRY = "registry"
    REGISTRY_PRIVATE = "registry-private"
    REGISTRY_DELETION = "registry-deletion"
    RECEIVER = "receiver"


class Finding(WireModel):
    """What one check found of one subject, and the cure where it is not well."""

    check: Check
    status: Status
    subject: str
    """A cluster, a pair of them, or a part of the outside."""
    found: str
    cure: str | None = None
    nodes: tuple[str, ...] = ()
    """Those that it is about; empty: all of the subject, or none."""

    @model_validator(mode="after")
    def _an_ill_has_a_cure(self) -> Self:
        if (self.status is Status.OK) != (self.cure is None):
            raise ValueError(f"{self.check} {self.status}: a cure belongs to what is not ok")
        return self

    @property
    def text(self) -> str:
        """What was found, with some of the nodes that it was found on."""
        if not self.nodes:
            return self.found
        named = ", ".join(self.nodes[:_NAMED_NODES])
        more = len(self.nodes) - _NAMED_NODES
        return f"{named}{f' and {more} more' if more > 0 else ''}: {self.found}"

    @property
    def sentence(self) -> str:
        """All of it on one line, for a log."""
        cure = f"; {self.cure}" if self.cure else ""
        return f"{self.status}: {self.subject}: {self.check}: {self.text}{cure}"


class Report(WireModel):
    """All findings, in the order of the checks."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Self:
        order = {check: place for place, check in enumerate(Check)}
        ordered = sorted(findings, key=lambda one: (one.subject, order[one.check]))
        return cls(findings=tuple(ordered))

    def count(self, status: Status) -> int:
        return sum(finding.status is status for finding in self.findings)

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.status is Status.FAILED)

    @property
    def not_well(self) -> tuple[Finding, ...]:
        """What failed or warns, or could not be found out."""
        return tuple(one for one in self.findings if one.status is not Status.OK)

    def summary(self) -> str:
        counts = {status: self.count(status) for status in reversed(Status)}
        return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


Ill = tuple[Status, str, str]
"""Status, what was found, cure: the same for all nodes that share it."""


def by_node(
    check: Check, *, subject: str, ills: Mapping[str, Iterable[Ill]], well: str
) -> list[Finding]:
    """One finding for each ill, with the nodes that have it; where none has any, that all is well.

    Fifty nodes of one image are one line, not fifty.
    """
    having: dict[Ill, list[str]] = {}
    for node, found in ills.items():
        for ill in found:
            having.setdefault(ill, []).append(node)
    if not having:
        return [Finding(check=check, status=Status.OK, subject=subject, found=well)]
    return [
        Finding(
            check=check,
            status=status,
            subject=subject,
            found=found,
            cure=cure,
            nodes=tuple(sorted(nodes)),
        )
        for (status, found, cure), nodes in having.items()
    ]
