"""A package in one cluster: where its workload runs, and where its manifests lie."""

from collections.abc import Sequence
from typing import Any

from transition_wire.model import DnsLabel, DnsSubdomain, WireModel

from airflow_transition.core.engine import (
    DrFolder,
    EngineRef,
    dr_package,
    dr_root,
    object_name,
)
from airflow_transition.core.policy import (
    ClusterPolicy,
    PackagePath,
    PackageSelector,
)
from airflow_transition.core.policy_hooks import CheckpointHooks, Quiesce
from airflow_transition.core.policy_promotion import NAMESPACES
from airflow_transition.core.repository_url import RepositoryUrl


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
    engine: EngineRef | None = None
    """None: whatever applies the repository does so by itself."""
    dr: DrFolder | None = None
    """None: the repository is the cluster's own."""

    @property
    def kubernetes_conn_id(self) -> str:
        return self.cluster

    @property
    def git_conn_id(self) -> str:
        return self.dr.git_conn_id if self.dr else f"{self.cluster}-git"

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
    own = ClusterPackage(
        cluster=cluster,
        package=package.name,
        package_path=package.package_path,
        namespace=package.namespace,
        quiesce=package.quiesce,
        checkpoint_hooks=package.checkpoint_hooks,
        repo=repos.get(cluster),
        engine=_engine(policy, cluster=cluster),
    )
    if own.engine is None or cluster == policy.source.name:
        return own
    return _in_dr(own, policy=policy)


def paths_on(
    policy: ClusterPolicy, *, packages: Sequence[PackageSelector], cluster: str
) -> dict[str, str]:
    """Each package's folder in the repository that deploys to a cluster."""
    return {
        package.name: package_on(policy, package=package, cluster=cluster).package_path
        for package in packages
    }


def _engine(policy: ClusterPolicy, *, cluster: str) -> EngineRef | None:
    promotion = policy.spec.promotion
    if promotion.engine == "manifests":
        return None
    return EngineRef(
        kind=promotion.engine,
        cluster=promotion.engine_cluster or cluster,
        namespace=promotion.engine_namespace or NAMESPACES[promotion.engine],
        project=promotion.project,
        secret=promotion.secret,
    )


def _in_dr(own: ClusterPackage, *, policy: ClusterPolicy) -> ClusterPackage:
    promotion, source = policy.spec.promotion, policy.source.name
    below = dr_package(source=source, package=own.package)
    return own.model_copy(
        update={
            "package_path": f"{dr_root(own.cluster)}/{below}",
            "repo": promotion.repo,
            "dr": DrFolder(
                git_conn_id=promotion.connection,
                branch=promotion.branch,
                name=object_name(target=own.cluster, source=source, package=own.package),
                create_repo=promotion.create_repo,
                pull_request=promotion.pull_request,
            ),
        }
    )
