"""What canaries found out: whether a node really checkpoints and restores."""

from transition_wire.model import DnsSubdomain, WireModel


class CanaryResult(WireModel):
    """One node, tried."""

    cluster: DnsSubdomain
    node: DnsSubdomain
    restores: bool
    seconds: float
    """From the first pod's creation to the end of the restored copy's questioning."""
    error: str | None = None
    """Why not."""

    def __str__(self) -> str:
        if self.restores:
            return f"{self.cluster}/{self.node}: checkpoints and restores ({self.seconds:.1f} s)"
        return f"{self.cluster}/{self.node}: DOES NOT RESTORE: {self.error}"
