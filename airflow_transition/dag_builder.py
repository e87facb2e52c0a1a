"""From a policy to its DAGs: pure, and the one place that knows the order of tasks."""

from collections.abc import Sequence
from typing import Protocol

from airflow.sdk import DAG


class _Backup(Protocol):
    @property
    def name(self) -> str: ...


class _Package(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def backup_information(self) -> Sequence[_Backup]: ...


class _Metadata(Protocol):
    @property
    def name(self) -> str: ...


class _Spec(Protocol):
    @property
    def package_selectors(self) -> Sequence[_Package]: ...


class Policy(Protocol):
    """What is read of a policy document."""

    @property
    def metadata(self) -> _Metadata: ...
    @property
    def spec(self) -> _Spec: ...


def build_dags(policy: Policy) -> list[DAG]:
    """All DAGs of a policy: one per package and backup entry, and the one that migrates."""
    name = policy.metadata.name
    checkpoints = [
        checkpoint_dag_id(name, package=package.name, backup=backup.name)
        for package in policy.spec.package_selectors
        for backup in package.backup_information
    ]
    return [DAG(dag_id=dag_id, schedule=None) for dag_id in [*checkpoints, migrate_dag_id(name)]]


def checkpoint_dag_id(policy: str, *, package: str, backup: str) -> str:
    return f"checkpoint.{policy}.{package}.{backup}"


def migrate_dag_id(policy: str) -> str:
    return f"migrate.{policy}"
