"""Keep backups of a package's volumes by Velero, and find those that can be used."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator, Context, XComArg

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.errors import PermanentError, TemporaryError, TransitionError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_velero import Velero
from airflow_transition.core.velero import (
    PACKAGE_LABEL,
    POLICY_LABEL,
    SCHEDULE_LABEL,
    BackupChoice,
    backup_labels,
    backup_spec,
    choose_backup,
    label_value,
    newest_failure,
    object_name,
    schedule_name,
)
from airflow_transition.links import PageLink
from airflow_transition.operators.package_place import place_of
from airflow_transition.operators.pod_checkpoint import skip_where_nothing_serves
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

log = logging.getLogger(__name__)


class NoBackupMadeError(PermanentError):
    """The schedule is in place, and its newest backups failed."""


class VeleroBackupOperator(BaseOperator):
    """Back up a package's volumes where it runs: once, or by a schedule that Velero keeps.

    With `cron` a Velero Schedule is put in place there and paused on the policy's other clusters;
    the task fails when its newest backup did. Velero then goes on while Airflow is down.

    :param policy: name of the policy.
    :param velero: what the policy says of Velero.
    :param backup: name of the policy's backup entry.
    :param package: which package (`ClusterPackage`).
    :param places: the same package in each cluster that it may have moved to.
    :param cron: in UTC, as Velero takes it; None: one backup for each run.
    """

    template_fields: Sequence[str] = ("package", "places")
    operator_extra_links = (PageLink(),)
    ui_color = "#d9e8f6"

    def __init__(
        self,
        *,
        policy: str,
        velero: Velero,
        backup: str,
        package: TaskValue,
        places: Sequence[Mapping[str, Any]] | XComArg,
        cron: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy
        self.velero = velero
        self.backup = backup
        self.package = package
        self.places = places
        self.cron = cron

    def execute(self, context: Context) -> dict[str, Any]:
        places = [] if isinstance(self.places, XComArg) else list(self.places)
        package = place_of(ClusterPackage.model_validate(self.package), places=places)
        hook = outside.cluster(package)
        workload = hook.find_workload(package.package, namespace=package.namespace)
        skip_where_nothing_serves(hook, workload=workload)
        spec = backup_spec(
            self.velero, namespace=workload.namespace, pod_labels=dict(workload.pods.labels)
        )
        if self.cron is not None:
            return self._keep_schedule(package, spec=spec, places=places)
        run = f"{context['ti'].dag_id}/{context['run_id']}"
        return self._once(package, spec=spec, name=object_name(package.package, run))

    def _once(self, package: ClusterPackage, *, spec: dict[str, Any], name: str) -> dict[str, Any]:
        velero = outside.velero(package.cluster, namespace=self.velero.namespace)
        velero.check(location=self.velero.storage_location)
        velero.ensure("backups", name, spec=spec, labels=self._labels(package))
        velero.wait_done("backups", name, timeout=self.velero.timeout)
        self.log.info("backup %s is complete on %s", name, package.cluster)
        return {"cluster": package.cluster, "backup": name}

    def _keep_schedule(
        self,
        package: ClusterPackage,
        *,
        spec: dict[str, Any],
        places: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        name = schedule_name(policy=self.policy, package=package.package, backup=self.backup)
        velero = outside.velero(package.cluster, namespace=self.velero.namespace)
        velero.check(location=self.velero.storage_location)
        labels = self._labels(package)
        template = {**spec, "metadata": {"labels": labels}}
        velero.ensure_schedule(
            name, spec={"schedule": self.cron, "template": template}, labels=labels
        )
        for place in map(ClusterPackage.model_validate, places):
            if place.cluster != package.cluster:
                self._pause(name, cluster=place.cluster)
        found = velero.backups({SCHEDULE_LABEL: label_value(name)})
        failure = newest_failure(found)
        if failure is not None:
            raise NoBackupMadeError(
                "the newest backup failed; older ones are all that a failover could use",
                where=f"cluster {package.cluster}, Velero schedule {name}",
                found=failure,
                do="read `velero backup logs` there and cure the cause",
            )
        newest = choose_backup(found, now=datetime.now(UTC), max_age=None).backup
        self.log.info("schedule %s is in place; newest backup: %s", name, newest)
        return {
            "cluster": package.cluster,
            "schedule": name,
            "backup": newest.name if newest else None,
            "created": newest.created.isoformat() if newest else None,
        }

    def _pause(self, name: str, *, cluster: str) -> None:
        """A cluster that is lost cannot be told, and makes no backups of what does not run."""
        try:
            outside.velero(cluster, namespace=self.velero.namespace).pause_schedule(name)
        except TransitionError as error:
            self.log.warning("its schedule on %s is not known to be paused: %s", cluster, error)

    def _labels(self, package: ClusterPackage) -> dict[str, str]:
        return backup_labels(policy=self.policy, package=package.package, cluster=package.cluster)


def usable_backup(
    policy: ClusterPolicy, *, package: str, cluster: str, now: datetime
) -> BackupChoice:
    """The newest backup that a cluster knows and the policy allows, wherever it was made."""
    velero = outside.velero(cluster, namespace=policy.spec.velero.namespace)
    labels = {POLICY_LABEL: label_value(policy.name), PACKAGE_LABEL: label_value(package)}
    return choose_backup(
        velero.backups(labels), now=now, max_age=policy.spec.failover.max_restore_point_age
    )


def why_velero_cannot(policy: ClusterPolicy, *, cluster: str) -> str | None:
    """Why a cluster can take no volumes now; None: it can."""
    velero = policy.spec.velero
    try:
        outside.velero(cluster, namespace=velero.namespace).check(location=velero.storage_location)
    except TemporaryError:
        raise
    except TransitionError as error:
        return str(error)
    return None
