"""Where a package without live state can go, and what of its workload must hold before."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.manifests import WorkloadRef
from airflow_transition.core.placement import Candidate, Placement, Verdict


class NotRedeployableError(PermanentError):
    """The package's workload is of a kind that cannot be taken from one cluster to another."""


@dataclass(frozen=True)
class Destinations:
    """Where a package may go; what its processes need of a CPU does not count."""

    candidates: Sequence[Candidate]
    avoid: Collection[str]
    source: str
    unfit: Mapping[str, str]
    """Cluster to why it cannot be the target now."""
    forced: str | None = None

    def choose(self) -> Placement:
        """The candidate with the highest weight that can take it; ties go by name."""
        weights = {one.name: one.weight for one in self.candidates}
        if self.forced is not None:
            weights.setdefault(self.forced, 0)
        verdicts = [
            self._verdict(name, weights=weights) for name in {*weights, *self.avoid, self.source}
        ]
        verdicts.sort(key=lambda one: (not one.accepted, -one.score, one.cluster))
        accepted = [
            one.cluster for one in verdicts if one.accepted and self.forced in (None, one.cluster)
        ]
        return Placement(accepted[0] if accepted else None, tuple(verdicts))

    def _verdict(self, cluster: str, *, weights: Mapping[str, int]) -> Verdict:
        reason = self._against(cluster) or self.unfit.get(cluster)
        if reason is not None:
            return Verdict(cluster, accepted=False, score=0, reasons=(reason,))
        weight = weights[cluster]
        return Verdict(cluster, accepted=True, score=weight, reasons=(f"weight {weight}",))

    def _against(self, cluster: str) -> str | None:
        if cluster == self.source:
            return "it is the source cluster"
        if cluster in self.avoid:
            return "the policy avoids it (avoidClusters)"
        return None


def refuse_immovable(workload: WorkloadRef, *, package: str) -> None:
    """A workload that cannot be ended on the source, or whose pods nobody could find there."""
    reason = next(_against(workload), None)
    if reason is not None:
        raise NotRedeployableError(
            f"package {package} cannot be moved: {reason[0]}",
            where=workload.path,
            found=f"{workload.kind} {workload.name}",
            do=reason[1],
        )


def _against(workload: WorkloadRef) -> Iterator[tuple[str, str]]:
    if workload.kind == "DaemonSet":
        yield (
            "a DaemonSet runs on each node of its own cluster, and has no replicas to end",
            "deploy it from Git on every cluster that needs it, or make it a Deployment",
        )
    elif workload.kind not in {"Deployment", "StatefulSet", "Pod"}:
        yield (
            "nothing is known of how to end its pods on the source",
            "deploy it as a Deployment or StatefulSet",
        )
    if not workload.labels:
        yield (
            "its pods carry no labels, by which they could be found",
            "give its pod template labels",
        )
