"""A package in one cluster: where its workload runs, and where its manifests lie."""

from typing import Any

from transition_wire.model import DnsLabel, DnsSubdomain, WireModel

from airflow_transition.core.policy import (
    ClusterPolicy,
    PackagePath,
    PackageSelector,
    RepositoryUrl,
)
from airflow_transition.core.policy_hooks import CheckpointHooks, Quiesce


class ClusterPackage(WireModel):
    """What a task has to know to find a package; small enough to travel between tasks."""

    cluster: DnsSubdomain
    package: DnsLabel
    package_path: PackagePath
    namespace: DnsLabel | None = None
    """None: wherever the workload's annotations are found."""
    quiesce: Quiesce | None = None
    checkpoint_hooks: CheckpointHooks | None = None
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
    return package_on(policy, package=package, cluster=policy.source.name)


def package_on(policy: ClusterPolicy, *, package: PackageSelector, cluster: str) -> ClusterPackage:
    """The same package in one of the policy's clusters, or in another one."""
    repos = {
        policy.source.name: policy.source.repo,
        **{each.name: each.repo for each in policy.spec.target_cluster_policy.prefer_clusters},
    }
    return ClusterPackage(
        cluster=cluster,
        package=package.name,
        package_path=package.package_path,
        namespace=package.namespace,
        quiesce=package.quiesce,
        checkpoint_hooks=package.checkpoint_hooks,
        repo=repos.get(cluster),
    )
