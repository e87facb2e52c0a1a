"""The hooks of a task, each imported when it is first asked for.

Parsing a DAG file must not pay for boto3, kubernetes and git: with a stub for each policy it would
pay for each policy. The imports happen where a task runs, or once in the scheduler (`preload`).
"""

# ruff: noqa: PLC0415 - late imports are what this module is for

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_transition.settings import read_settings

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow_transition.core.cluster_package import ClusterPackage
    from airflow_transition.hooks.catalogue import CatalogueHook
    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook
    from airflow_transition.hooks.cluster import ClusterHook
    from airflow_transition.hooks.cluster_survey import ClusterSurveyHook
    from airflow_transition.hooks.gitea import GiteaHook
    from airflow_transition.hooks.gitops import GitOpsHook
    from airflow_transition.hooks.gitops_engine import GitOpsEngine
    from airflow_transition.hooks.heartbeat import HeartbeatHook
    from airflow_transition.hooks.kubelet import KubeletHook
    from airflow_transition.hooks.oci_registry import OciRegistryHook
    from airflow_transition.hooks.second_signal import SecondSignalHook
    from airflow_transition.hooks.velero import VeleroHook


def cluster(package: "ClusterPackage", *, patience: "timedelta | None" = None) -> "ClusterHook":
    """`patience` is for a cluster that may be lost: how long each answer may take."""
    from airflow_transition.hooks.cluster import ClusterHook

    return ClusterHook(package.kubernetes_conn_id, patience=patience)


def survey(cluster_name: str, *, patience: "timedelta") -> "ClusterSurveyHook":
    from airflow_transition.hooks.cluster_survey import ClusterSurveyHook

    return ClusterSurveyHook(cluster_name, patience=patience)


def cluster_named(name: str) -> "ClusterHook":
    """For what is asked of a cluster as a whole."""
    from airflow_transition.hooks.cluster import ClusterHook

    return ClusterHook(name)


def kubelet(package: "ClusterPackage") -> "KubeletHook":
    from airflow_transition.hooks.kubelet import KubeletHook

    return KubeletHook(package.kubernetes_conn_id)


def git(package: "ClusterPackage", *, patience: "timedelta | None" = None) -> "GitOpsHook":
    """`patience` is for a server that may be lost with its cluster: for each git command."""
    from airflow_transition.hooks.gitops import GitOpsHook

    options: dict[str, Any] = {} if patience is None else {"timeout": patience}
    if package.dr is not None:
        options["branch"] = package.dr.branch
    if package.dr is not None and package.dr.create_repo:
        options["create"] = partial(gitea(package).ensure_repository, branch=package.dr.branch)
    return GitOpsHook(package.git_conn_id, repo_url=package.repo, **options)


def gitea(package: "ClusterPackage") -> "GiteaHook":
    """The API of the package's Git server."""
    from airflow_transition.hooks.gitea import GiteaHook

    return GiteaHook(package.git_conn_id, repo_url=package.repo)


def engine(
    package: "ClusterPackage", *, patience: "timedelta | None" = None
) -> "GitOpsEngine | None":
    """What applies the package's repository; None: it does so by itself."""
    if package.engine is None:
        return None
    if package.engine.kind == "argocd":
        from airflow_transition.hooks.argocd import ArgoCdHook

        return ArgoCdHook(package.engine, patience=patience)
    from airflow_transition.hooks.flux import FluxHook

    return FluxHook(package.engine, patience=patience)


def store() -> "CheckpointStoreHook":
    from airflow_transition.hooks.checkpoint_store import CheckpointStoreHook

    settings = read_settings()
    return CheckpointStoreHook(
        settings.checkpoint_store_conn_id, bucket=settings.bucket, prefix=settings.prefix
    )


def registry() -> "OciRegistryHook":
    from airflow_transition.hooks.oci_registry import OciRegistryHook

    return OciRegistryHook(read_settings().registry_conn_id)


def receiver() -> "HeartbeatHook":
    from airflow_transition.hooks.heartbeat import HeartbeatHook

    return HeartbeatHook(read_settings().receiver_conn_id)


def catalogue() -> "CatalogueHook":
    from airflow_transition.hooks.catalogue import CatalogueHook

    return CatalogueHook(read_settings().receiver_conn_id)


def second_signal(cluster_name: str) -> "SecondSignalHook":
    from airflow_transition.hooks.second_signal import SecondSignalHook

    return SecondSignalHook(cluster_name)


def velero(cluster_name: str, *, namespace: str) -> "VeleroHook":
    from airflow_transition.hooks.velero import VeleroHook

    return VeleroHook(cluster_name, namespace=namespace)
