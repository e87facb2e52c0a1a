"""What a receiver is told when it starts; each has a default that fits most fleets."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class ReceiverSettings:
    """Nothing in here is secret, and nothing changes while the receiver runs."""

    accept_guide_heartbeats: bool = False
    """Take the guide's body without a token. Such nodes are shown and never trusted."""
    most_guide_nodes: int = 1000
    """They need no token, so their number has to be bounded by something."""
    flush_interval: timedelta = timedelta(milliseconds=200)
    """Between batches to the database, while nobody waits for one."""
    idle_interval: timedelta = timedelta(seconds=1)
    """The same while no node is known: many API servers never hear of one."""
    waited_flush_interval: timedelta = timedelta(milliseconds=25)
    """The same while replies with leases wait for the commit."""
    write_interval: timedelta = timedelta(milliseconds=10)
    """Between any two writes: at most 100 a second, whatever the load."""
    tick: timedelta = timedelta(milliseconds=100)
    """How often the receiver looks whether it was paused itself."""
    pause: timedelta = timedelta(seconds=1)
    """A gap this long between ticks: what was not heard meanwhile proves nothing."""
    default_grace: timedelta = timedelta(seconds=20)
    """By which reads and metrics judge that name no grace period: the guide's own."""
