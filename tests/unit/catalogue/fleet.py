"""What tests tell a catalogue; the benchmark `page` tells its own the same."""

from benchmarks.pages.large_fleet import large_fleet
from benchmarks.pages.samples import (
    FEATURES,
    NOW,
    digest,
    node_facts,
    policy,
    restore_point,
    transition,
)

__all__ = [
    "FEATURES",
    "NOW",
    "digest",
    "large_fleet",
    "node_facts",
    "policy",
    "restore_point",
    "transition",
]
