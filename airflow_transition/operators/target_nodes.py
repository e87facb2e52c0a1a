"""Whether a failover's target has the nodes that packages ask for: told, no reason to stay.

A package that waits for a node can be helped by a label; one that was left behind is down.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.package_edits import Files
from airflow_transition.core.unmovable import NodeNeeds, node_needs
from airflow_transition.operators.lost_packages import LostPackage


class TargetNodes:
    """The labels of the target's nodes, asked for once, and only where a package needs them."""

    def __init__(self, target: ClusterPackage) -> None:
        self.target = target

    def unmet(self, lost: Sequence[tuple[LostPackage, Files]]) -> Iterator[str]:
        """A line for each package whose pod may find no node."""
        for one, files in lost:
            needs = node_needs(files, workload=one.workload)
            if needs is not None:
                yield from self._unmet(one.name, needs=needs)

    def _unmet(self, package: str, *, needs: NodeNeeds) -> Iterator[str]:
        labels = self._labels
        if isinstance(labels, TransitionError):
            yield f"whether {self.target.cluster} has a node for {package} is not known: {labels}"
        elif missing := needs.unmet(labels):
            yield f"{package} waits for a node: none of {self.target.cluster} has {missing}"

    @cached_property
    def _labels(self) -> list[dict[str, str]] | TransitionError:
        try:
            return outside.cluster(self.target).node_labels()
        except TransitionError as error:
            return error
