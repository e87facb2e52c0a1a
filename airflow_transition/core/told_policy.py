"""What the catalogue is told of a policy: promises and preferences, nothing of repositories."""

from collections.abc import Sequence
from datetime import datetime

from airflow_transition.core.catalogue import (
    LONGEST_SECONDS,
    ToldPackage,
    ToldPolicy,
    ToldTarget,
)
from airflow_transition.core.policy import BackupEntry, ClusterPolicy, PackageSelector
from airflow_transition.core.promise import promise


def told_policy(
    policy: ClusterPolicy,
    *,
    now: datetime,
    packages: Sequence[PackageSelector] | None = None,
) -> ToldPolicy:
    """The policy; with `packages` only these of it, and the others stay as they are known."""
    spec = policy.spec
    wanted = spec.target_cluster_policy
    listed = spec.package_selectors if packages is None else packages
    return ToldPolicy(
        policy=policy.name,
        source=policy.source.name,
        targets=tuple(
            ToldTarget(cluster=each.name, weight=each.weight) for each in wanted.prefer_clusters
        ),
        avoid=tuple(each.name for each in wanted.avoid_clusters),
        cold_start=spec.failover.cold_start,
        max_age_seconds=_bounded(spec.failover.max_restore_point_age_seconds),
        grace_seconds=spec.failover.grace_period_seconds,
        found_promise_seconds=_promise(spec.backup_information, policy=policy, now=now),
        found_schedule=_schedule(spec.backup_information, policy=policy),
        packages=tuple(_package(each, policy=policy, now=now) for each in listed),
        complete=packages is None,
    )


def _bounded(seconds: int | None) -> float | None:
    """Whoever allows a century allows any age."""
    return None if seconds is None else min(seconds, LONGEST_SECONDS)


def _package(package: PackageSelector, *, policy: ClusterPolicy, now: datetime) -> ToldPackage:
    backups = package.backup_information
    return ToldPackage(
        package=package.name,
        type=package.package_type,
        live=package.live_state_package,
        namespace=package.namespace,
        promise_seconds=_promise(backups, policy=policy, now=now),
        schedule=_schedule(backups, policy=policy),
        checkpoint_dags=tuple(
            policy.checkpoint_dag_id(package=package.name, backup=backup.name) for backup in backups
        )
        if package.live_state_package
        else (),
    )


def _promise(
    backups: Sequence[BackupEntry], *, policy: ClusterPolicy, now: datetime
) -> float | None:
    found = promise(_crons(backups), time_zone=policy.spec.time_zone, now=now)
    return None if found is None else found.total_seconds()


def _schedule(backups: Sequence[BackupEntry], *, policy: ClusterPolicy) -> str | None:
    crons = _crons(backups)
    return f"{', '.join(crons)} ({policy.spec.time_zone})" if crons else None


def _crons(backups: Sequence[BackupEntry]) -> list[str]:
    return [one.schedule_period for one in backups if one.schedule_period is not None]
