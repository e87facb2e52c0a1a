"""A policy with every package that it protects now, those found by annotation included."""

import logging
from datetime import timedelta

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.found_packages import FoundPackages, find_packages
from airflow_transition.core.manifests import PACKAGE_ANNOTATION
from airflow_transition.core.policy import ClusterPolicy

log = logging.getLogger(__name__)


def whole_policy(policy: ClusterPolicy, *, patience: timedelta | None = None) -> ClusterPolicy:
    """Reads the source's repository where the policy says so; else the policy as it is.

    `patience` is for a Git server that may be lost with its cluster.
    """
    return look_for_packages(policy, patience=patience).policy


def look_for_packages(policy: ClusterPolicy, *, patience: timedelta | None = None) -> FoundPackages:
    """The same, with what was found; what is left out is told."""
    if not policy.finds_packages:
        return FoundPackages(policy)
    # The hook is chosen by cluster and repository; the package has no part in it.
    repository = ClusterPackage(
        cluster=policy.source.name, package="any", package_path=".", repo=policy.source.repo
    )
    git = outside.git(repository, patience=patience)
    found = find_packages(policy, files=git.read_holding(PACKAGE_ANNOTATION))
    names = ", ".join(package.name for package in found.found)
    log.info("found by annotation in the repository of %s: %s", policy.source.name, names or "none")
    for name, why in (found.left or {}).items():
        log.warning("left out: %s: %s", name, why)
    return found
