"""From a policy to its DAGs: pure. The order of tasks stands in the `dags_*` modules."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from airflow.sdk import DAG

from airflow_transition.core.manner import Manner, manner_of
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.dags_backup import backup_dag
from airflow_transition.dags_checkpoint import checkpoint_dag, found_checkpoint_dag
from airflow_transition.dags_failover import failover_dag
from airflow_transition.dags_move import failback_dag, migrate_dag
from airflow_transition.dags_redeploy import redeploy_dag
from airflow_transition.dags_restore import canary_dag, restore_test_dag
from airflow_transition.dags_retention import retention_dag
from airflow_transition.notifications.transition import TransitionNotifier


def build_dags(policy: ClusterPolicy, *, only_dag_id: str | None = None) -> list[DAG]:
    """All DAGs of a policy: restore points and backups of its packages, and the ways to move them.

    A package that is not live has no memory to keep: its volumes are backed up, if it has state at
    all, and it has a way of its own to move.
    A worker needs one of them: `only_dag_id` builds no other.
    """
    builders = dict(_builders(policy))
    wanted = builders.keys() if only_dag_id is None else builders.keys() & {only_dag_id}
    return [builders[dag_id]() for dag_id in builders if dag_id in wanted]


def _builders(policy: ClusterPolicy) -> Iterator[tuple[str, Callable[[], DAG]]]:
    """DAG id to what builds the DAG."""
    shared = _shared(policy)
    for package in policy.spec.package_selectors:
        for backup in package.backup_information:
            names = {"package": package.name, "backup": backup.name}
            build: Any = {"policy": policy, "package": package, "backup": backup, "shared": shared}
            match manner_of(package):
                case Manner.LIVE:
                    yield policy.checkpoint_dag_id(**names), partial(checkpoint_dag, **build)
                case Manner.VOLUMES:
                    yield policy.backup_dag_id(**names), partial(backup_dag, **build)
    if policy.finds_packages:
        for backup in policy.spec.backup_information:
            yield (
                policy.found_checkpoint_dag_id(backup=backup.name),
                partial(found_checkpoint_dag, policy, backup=backup, shared=shared),
            )
    yield policy.migrate_dag_id, partial(migrate_dag, policy, shared=shared)
    if not all(package.live_state_package for package in policy.spec.package_selectors):
        yield policy.redeploy_dag_id, partial(redeploy_dag, policy, shared=shared)
    yield policy.failover_dag_id, partial(failover_dag, policy, shared=shared)
    yield policy.failback_dag_id, partial(failback_dag, policy, shared=shared)
    yield policy.retention_dag_id, partial(retention_dag, policy, shared=shared)
    rules = policy.spec.restore
    if (canaries := rules.canary_schedule) is not None:
        yield policy.canary_dag_id, partial(canary_dag, policy, schedule=canaries, shared=shared)
    if (tests := rules.test_schedule) is not None:
        yield (
            policy.restore_test_dag_id,
            partial(restore_test_dag, policy, schedule=tests, shared=shared),
        )


def _shared(policy: ClusterPolicy) -> dict[str, Any]:
    """What every DAG of a policy is given: whom it tells how its runs ended."""
    connections = policy.spec.notify
    if not connections:
        return {}
    return {
        "on_success_callback": [TransitionNotifier(each, ended="success") for each in connections],
        "on_failure_callback": [TransitionNotifier(each, ended="failed") for each in connections],
    }
