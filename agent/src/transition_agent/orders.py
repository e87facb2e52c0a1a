"""What the receiver has ordered for this cluster, as the node knows it and keeps it on its disk.

Pure: a reply and what was known before give what is known now.
"""

from typing import Literal, NamedTuple

from transition_wire.heartbeat import Fence, HeartbeatReply, Lease, PodCopy
from transition_wire.model import WireModel


class PackageKey(NamedTuple):
    namespace: str
    package: str

    @classmethod
    def of(cls, copy: PodCopy) -> "PackageKey":
        return cls(copy.namespace, copy.package)


class Orders(WireModel):
    """Fences and leases of one cluster. A package may have both: then the fence counts."""

    version: Literal[1] = 1
    epoch: int = 0
    """The highest that was seen; a reply of a lower one is not believed."""
    fences: tuple[Fence, ...] = ()
    leases: tuple[Lease, ...] = ()
    """Every lease that was ever granted here and not released since, run out or not."""

    def after(self, reply: HeartbeatReply) -> "Orders":
        """What is in force once this reply has come.

        A reply of a lower epoch comes from a receiver that lost its memory, or never had it: it
        neither lifts a fence nor renews a lease.
        """
        if reply.epoch < self.epoch:
            return self
        fences = self._fences_after(reply)
        released = {(each.namespace, each.package) for each in reply.released}
        known = {PackageKey.of(lease): lease for lease in self.leases}
        leases = {key: lease for key, lease in known.items() if key not in released}
        leases |= {PackageKey.of(lease): lease for lease in reply.leases}
        kept = tuple(leases[key] for key in sorted(leases))
        return Orders(epoch=reply.epoch, fences=fences, leases=kept)

    def _fences_after(self, reply: HeartbeatReply) -> tuple[Fence, ...]:
        """Those of the reply, but of a package whose known fence is of a higher epoch that one."""
        told: dict[PackageKey, list[Fence]] = {}
        for fence in reply.fences:
            told.setdefault(PackageKey.of(fence), []).append(fence)
        known: dict[PackageKey, list[Fence]] = {}
        for fence in self.fences:
            known.setdefault(PackageKey.of(fence), []).append(fence)
        for key, fences in told.items():
            if _epoch(known.get(key, [])) > _epoch(fences):
                told[key] = known[key]
        unsorted = [fence for fences in told.values() for fence in fences]
        return tuple(sorted(unsorted, key=lambda fence: (PackageKey.of(fence), fence.id)))

    @property
    def fenced(self) -> dict[PackageKey, Fence]:
        return {PackageKey.of(fence): fence for fence in self.fences}

    @property
    def leased(self) -> dict[PackageKey, Lease]:
        return {PackageKey.of(lease): lease for lease in self.leases}

    @property
    def copies(self) -> dict[PackageKey, tuple[PodCopy, ...]]:
        """Every package that is not simply free to run, and each way to find its pods."""
        found: dict[PackageKey, tuple[PodCopy, ...]] = {}
        for copy in (*self.fences, *self.leases):
            key = PackageKey.of(copy)
            found[key] = (*found.get(key, ()), copy)
        return found


def _epoch(fences: list[Fence]) -> int:
    return max((fence.epoch for fence in fences), default=0)
