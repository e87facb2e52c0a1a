"""Move a package's volumes by Velero: back up where it runs, restore where it goes."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.door_record import DoorRecord
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.manner import Manner
from airflow_transition.core.move import MovePlan
from airflow_transition.core.velero import (
    RESTORE_LABEL,
    backup_labels,
    backup_spec,
    label_value,
    restore_spec,
)
from airflow_transition.core.volumes import VolumesPlan, volumes_plan
from airflow_transition.links import PageLink
from airflow_transition.operators.move_evidence import pods_of
from airflow_transition.operators.pod_checkpoint import require_door
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_transition.hooks.velero import VeleroHook

log = logging.getLogger(__name__)


class ClaimsRemainError(PermanentError):
    """Claims of the package's name are on the target, and hold something else."""


class ClaimsMissingError(PermanentError):
    """The restore ended well and did not make all claims."""


class VolumesMoveOperator(BaseOperator):
    """Have the target hold what the package's volumes hold; nothing to do where it has no state.

    Backup and restore are named after the move and the closed door: a repeated attempt finds its
    own, no volume is restored twice, and what was backed up before a door was opened again is not
    taken for what the package holds now.

    :param plan: what RedeployPlanOperator returned.
    :param door: what RedeployDoorOperator returned.
    """

    template_fields: Sequence[str] = ("plan", "door")
    operator_extra_links = (PageLink(),)
    ui_color = "#d9e8f6"

    def __init__(self, *, plan: TaskValue, door: TaskValue, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.plan = plan
        self.door = door

    def execute(self, context: Context) -> dict[str, Any]:
        plan = MovePlan.model_validate(self.plan)
        if plan.manner is not Manner.VOLUMES or plan.volumes is None:
            self.log.info("there is nothing to bring along: %s", plan.manner)
            return {}
        volumes = plan.volumes
        if volumes.created is None:
            volumes = self._back_up(plan, volumes=volumes)
        restore_volumes(plan.target.cluster, volumes=volumes, namespace=plan.namespace)
        return {"backup": volumes.backup, "restore": volumes.restore}

    def _back_up(self, plan: MovePlan, *, volumes: VolumesPlan) -> VolumesPlan:
        """Behind the source's closed door, and named after it."""
        lock = str(DoorRecord.model_validate(self.door).lock)
        require_door(outside.cluster(plan.source), pods=pods_of(plan), lock=lock)
        velero, package = volumes.velero, plan.source.package
        volumes = volumes_plan(
            velero, package=package, move=f"{plan.move}/{lock}", claims=volumes.claims
        )
        there = outside.velero(plan.source.cluster, namespace=velero.namespace)
        there.ensure(
            "backups",
            volumes.backup,
            spec=backup_spec(velero, namespace=plan.namespace, pod_labels=plan.pod_labels),
            labels=backup_labels(policy=plan.policy, package=package, cluster=plan.source.cluster),
        )
        there.wait_done("backups", volumes.backup, timeout=velero.timeout)
        self.log.info("backup %s is complete on %s", volumes.backup, plan.source.cluster)
        return volumes


def restore_volumes(cluster: str, *, volumes: VolumesPlan, namespace: str) -> None:
    """Have a cluster hold the claims as the backup has them; a repeated call finds it done.

    The backup has to be known there first: Velero reads it from the store that clusters share.
    """
    hook, velero = outside.velero(cluster, namespace=volumes.velero.namespace), volumes.velero
    hook.wait_done("backups", volumes.backup, timeout=velero.timeout)
    refuse_remains(hook, volumes=volumes, namespace=namespace)
    hook.ensure(
        "restores",
        volumes.restore,
        spec=restore_spec(backup=volumes.backup, namespace=namespace),
        labels={},
    )
    hook.wait_done("restores", volumes.restore, timeout=velero.timeout)
    _require_claims(hook, volumes=volumes, namespace=namespace)
    log.info("%s: %d claims restored on %s", volumes.restore, len(volumes.claims), cluster)


def refuse_remains(hook: "VeleroHook", *, volumes: VolumesPlan, namespace: str) -> None:
    """Velero leaves a claim that exists as it is, and says Completed: the data would be old.

    Once this move's own restore has begun, the claims are those that it makes.
    """
    if hook.find("restores", volumes.restore) is not None:
        return
    remain = sorted(set(volumes.claims) & set(hook.claims(namespace)))
    if remain:
        raise ClaimsRemainError(
            "claims of the package are on the target already, with other data",
            where=f"cluster {hook.cluster}, namespace {namespace}",
            found=", ".join(remain[:10]),
            do="see whether anybody needs what they hold; then delete them and start anew",
        )


def _require_claims(hook: "VeleroHook", *, volumes: VolumesPlan, namespace: str) -> None:
    found: Mapping[str, Mapping[str, str]] = hook.claims(namespace)
    ours = label_value(volumes.restore)
    missing = [name for name in volumes.claims if found.get(name, {}).get(RESTORE_LABEL) != ours]
    if missing:
        raise ClaimsMissingError(
            "the backup did not hold every volume of the package",
            where=f"cluster {hook.cluster}, namespace {namespace}",
            found=f"not restored by {volumes.restore}: {', '.join(missing[:10])}",
            do="look at `velero backup describe "
            f"{volumes.backup} --details`: its pods have to run when it is made",
        )
