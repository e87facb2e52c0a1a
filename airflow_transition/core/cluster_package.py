"""A package in one cluster: where its workload runs, and where its manifests lie."""

from typing import Any

from transition_wire.model import DnsLabel, DnsSubdomain, WireModel

from airflow_transition.core.policy import (
    ClusterPolicy,
    PackagePath,
    PackageSelector,
    Quiesce,
    RepositoryUrl,
)


class ClusterPackage(WireModel):
    """What a task has to know to find a package; small enough to travel between tasks."""

    cluster: DnsSubdomain
    package: DnsLabel
    package_path: PackagePath
    namespace: DnsLabel | None = None
    """None: wherever the workload's annotations are found."""
    quiesce: Quiesce | None = None
    repo: RepositoryUrl | None = None
    """None: the one of the Git connection."""

    @property
    def kubernetes_conn_id(self) -> str:
        return self.cluster

    @property
    def git_conn_id(self) -> str:
        return f"{self.cluster}-git"

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


def source_package(policy: ClusterPolicy, *, package: PackageSelector) -> ClusterPackage:
    """The package where the policy protects it."""
    return _in_cluster(package, cluster=policy.source.name, repo=policy.source.repo)


def target_package(
    policy: ClusterPolicy, *, package: PackageSelector, target: str
) -> ClusterPackage:
    """The same package in one of the clusters that the policy prefers."""
    repos = {
        cluster.name: cluster.repo for cluster in policy.spec.target_cluster_policy.prefer_clusters
    }
    return _in_cluster(package, cluster=target, repo=repos.get(target))


def _in_cluster(package: PackageSelector, *, cluster: str, repo: str | None) -> ClusterPackage:
    return ClusterPackage(
        cluster=cluster,
        package=package.name,
        package_path=package.package_path,
        namespace=package.namespace,
        quiesce=package.quiesce,
        repo=repo,
    )
