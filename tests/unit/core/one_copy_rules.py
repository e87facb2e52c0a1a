"""What the promise of one copy rests on, each of which can be taken away."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    leased: bool = True
    """The policy asks for a lease."""
    # the agent's
    counted_from_sending: bool = True
    """The kernel counts from before the heartbeat was sent, and not from the reply."""
    obeys_fences: bool = True
    """The agent closes what is fenced."""
    kept_at_once: bool = True
    """Orders are on the disk before the node can boot."""
    # the receiver's
    reads_fences: bool = True
    """An answer is made of what its own transaction read, and that sees every claim before."""
    counts_from_restart: bool = True
    """After a restart of the receiver a lease may have been granted right before it."""
    claims_once: bool = True
    """Claims are decided with the claims and fences that exist."""
    # the failover's
    waits_for_lease: bool = True
    """The promotion waits until the lease has surely run out."""
    # the installation's
    closed_at_boot: bool = True
    """The agent has closed what its disk says before the pods of a booting node start."""
    seen_at_once: bool = True
    """The agent has closed a pod's address before the pod answers."""
    answers_only_known: bool = True
    """The pods run only on nodes that have taken up the lease."""
