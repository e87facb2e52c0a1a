"""What the receivers have promised: epochs, fences and leases, as one version of the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from transition_wire.heartbeat import Fence, HeartbeatReply, Lease, PackageName

PackageKey = tuple[str, str]
"""Namespace and package."""


@dataclass(frozen=True, kw_only=True)
class ClusterPromises:
    """Of one cluster."""

    epoch: int = 1
    fences: tuple[Fence, ...] = ()
    leases: tuple[Lease, ...] = ()
    """All that were asked for, those of fenced packages too."""
    renewed: tuple[Lease, ...] = ()
    """Those that a heartbeat renews: none of a fenced package."""
    longest_seconds: Mapping[PackageKey, float] = field(default_factory=dict)
    """Of each lease, the longest duration that was ever granted."""
    reply: bytes = b'{"epoch":1,"fences":[],"leases":[],"released":[]}'
    """The whole answer to a heartbeat, made once."""

    def lease(self, key: PackageKey) -> Lease | None:
        return next((lease for lease in self.leases if package_key(lease) == key), None)

    def is_fenced(self, key: PackageKey) -> bool:
        return any(package_key(fence) == key for fence in self.fences)


NOTHING_PROMISED = ClusterPromises()


@dataclass(frozen=True, kw_only=True)
class Promises:
    """Of all clusters, as the database held them at `version` or later."""

    version: int = 0
    clusters: Mapping[str, ClusterPromises] = field(default_factory=dict)

    def of(self, cluster: str) -> ClusterPromises:
        return self.clusters.get(cluster, NOTHING_PROMISED)


def cluster_promises(
    *,
    epoch: int,
    fences: tuple[Fence, ...],
    leases: tuple[Lease, ...],
    longest_seconds: Mapping[PackageKey, float],
) -> ClusterPromises:
    """A package that is fenced has no lease from then on.

    One that once had a lease and has none now is released, unless it is fenced: a lease that is
    merely missing would keep its pods closed.
    """
    fenced = {package_key(fence) for fence in fences}
    renewed = tuple(lease for lease in leases if package_key(lease) not in fenced)
    gone = longest_seconds.keys() - {package_key(lease) for lease in leases} - fenced
    released = tuple(
        PackageName(namespace=namespace, package=package) for namespace, package in sorted(gone)
    )
    reply = HeartbeatReply(epoch=epoch, fences=fences, leases=renewed, released=released)
    return ClusterPromises(
        epoch=epoch,
        fences=fences,
        leases=leases,
        renewed=renewed,
        longest_seconds=longest_seconds,
        reply=reply.model_dump_json().encode(),
    )


def package_key(copy: Fence | Lease) -> PackageKey:
    return copy.namespace, copy.package
