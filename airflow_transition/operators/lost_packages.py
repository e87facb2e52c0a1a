"""Which of a policy's packages a lost cluster takes with it, and which it does not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.claim import FAILED
from airflow_transition.core.cluster_package import package_on
from airflow_transition.core.errors import TemporaryError, TransitionError
from airflow_transition.core.manifests import WorkloadRef
from airflow_transition.core.manner import manner_of
from airflow_transition.core.policy import ClusterPolicy, PackageSelector
from airflow_transition.core.replicas import why_not_restorable
from airflow_transition.core.whereabouts import Whereabouts
from airflow_transition.operators.failover_look import Look

if TYPE_CHECKING:
    from airflow_transition.hooks.workloads import PodSet


class RepositoryAwayError(TemporaryError):
    """The lost cluster's repository does not answer: what it runs cannot be told."""


@dataclass(frozen=True)
class LostPackage:
    """A package that needs a new place."""

    selector: PackageSelector
    workload: WorkloadRef
    namespace: str | None
    """None: neither policy nor manifests say it."""
    stopped_by: str | None = None
    """A failover that fenced it and brought it up nowhere."""
    half_moved_to: str | None = None
    """A planned move to there was under way: its copy there waits behind a closed door."""

    @property
    def name(self) -> str:
        return self.selector.name


@dataclass
class LostPackages:
    """Sorts the policy's packages; `left` says why a package stays."""

    policy: ClusterPolicy
    cluster: str
    seen: Look
    run: str
    nodes: tuple[str, ...] = ()
    """Empty: the whole cluster is lost; else only what runs on these."""
    left: dict[str, str] = field(default_factory=dict)

    def find(self) -> list[LostPackage]:
        if self.seen.files[self.cluster] is None:
            raise RepositoryAwayError(
                "the lost cluster's repository does not answer",
                where=f"connection {self.cluster}-git",
                do="bring it back, or give the connection a mirror of it: the manifests of what "
                "has to move are there",
            )
        return list(self._find())

    def _find(self) -> Iterator[LostPackage]:
        for selector in self.policy.spec.package_selectors:
            try:
                where = self.seen.whereabouts(selector)
                found = self._judge(selector, where=where)
            except TransitionError as error:  # of its manifests: the others need not wait for it
                found = str(error)
            if isinstance(found, LostPackage):
                yield found
            else:
                self.left[selector.name] = found

    def _judge(self, selector: PackageSelector, *, where: Whereabouts) -> LostPackage | str:
        """The package, or why it stays."""
        elsewhere = [name for name in where.wanted_on if name != self.cluster]
        workload = where.workloads.get(self.cluster)
        if workload is None or self.cluster not in where.wanted_on:
            return self._not_wanted(selector, workload=workload, elsewhere=elsewhere)
        against = self._against(selector, workload=workload)
        if against is not None:
            return against
        lost = self._lost(selector, workload=workload)
        if self.nodes and not self._ran_there(lost):
            return f"it does not run on {', '.join(self.nodes)}"
        if not elsewhere:
            return lost
        if len(elsewhere) > 1:
            return f"the repositories of {', '.join(elsewhere)} want it too"
        return self._half_moved(lost, to=elsewhere[0])

    def _against(self, selector: PackageSelector, *, workload: WorkloadRef) -> str | None:
        """Why it cannot be brought up anywhere; None: it can."""
        if not workload.labels:
            return "its pods carry no labels, by which agents could find them"
        cold = self.policy.spec.failover.cold_start
        return why_not_restorable(workload, manner=manner_of(selector), cold=cold)

    def _ran_there(self, lost: LostPackage) -> bool:
        """Whether all its pods that are left are on the lost nodes, by the cluster's own word."""
        package = package_on(self.policy, package=lost.selector, cluster=self.cluster)
        hook = outside.cluster(package)
        workload = hook.find_workload(package.package, namespace=package.namespace)
        pods = [pod for pod in hook.pods(workload) if not pod.finished]
        there = [pod for pod in pods if pod.node in self.nodes]
        return bool(there) and not any(pod.running for pod in pods if pod not in there)

    def _not_wanted(
        self, selector: PackageSelector, *, workload: WorkloadRef | None, elsewhere: list[str]
    ) -> LostPackage | str:
        """It is elsewhere, or stopped; unless an earlier failover stopped it and did not end."""
        if len(elsewhere) == 1 and workload is not None and workload.labels:
            lost = self._half_moved(self._lost(selector, workload=workload), to=elsewhere[0])
            return lost if isinstance(lost, LostPackage) else f"it runs on {elsewhere[0]}"
        if elsewhere:
            return f"it runs on {', '.join(elsewhere)}"
        if workload is None or self._unfinished(selector.name) is None:
            return "no repository wants it: it was stopped, or is not deployed"
        return self._lost(selector, workload=workload)

    def _half_moved(self, lost: LostPackage, *, to: str) -> LostPackage | str:
        """Two repositories want it: a planned move is under way, or its end was not written."""
        if lost.namespace is None:
            return f"the repository of {to} wants it too"
        package = package_on(self.policy, package=lost.selector, cluster=to)
        lock = outside.cluster(package).door_lock(pods_of(lost))
        if lock is None:
            return f"the repository of {to} wants it too, and it serves there"
        if " " in lock:  # a door with an owner is a source's
            return f"it is moving away from {to}, where it still is ({lock.partition(' ')[2]})"
        return LostPackage(
            selector=lost.selector,
            workload=lost.workload,
            namespace=lost.namespace,
            stopped_by=lost.stopped_by,
            half_moved_to=to,
        )

    def _lost(self, selector: PackageSelector, *, workload: WorkloadRef) -> LostPackage:
        return LostPackage(
            selector=selector,
            workload=workload,
            namespace=workload.namespace or selector.namespace,
            stopped_by=self._unfinished(selector.name),
        )

    def _unfinished(self, package: str) -> str | None:
        """The newest failover that was to move the package away and did not end well."""
        for claim in self.seen.claims:
            if package in {copy.package for copy in claim.packages}:
                failed = claim.outcome is None or claim.outcome.startswith(FAILED)
                return claim.id if failed and claim.run != self.run else None
        return None


def pods_of(lost: LostPackage) -> "PodSet":
    """Its pods, on any cluster."""
    from airflow_transition.hooks.workloads import PodSet  # noqa: PLC0415 - heavy

    return PodSet(
        namespace=lost.namespace or "", workload=lost.workload.name, labels=lost.workload.labels
    )
