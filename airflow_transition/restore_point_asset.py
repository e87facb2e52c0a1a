"""The asset whose events are a package's new restore points: other DAGs can follow it."""

from typing import Any

from airflow.sdk import Asset, Context

from airflow_transition.core.policy_rules import FOUND
from airflow_transition.core.restore_points import RestorePoint

_GROUP = "transition"


def restore_point_asset(policy: str, *, package: str = FOUND) -> Asset:
    """What `DAG(schedule=[restore_point_asset("web", package="video")])` waits for.

    Packages that are found by annotation share one asset; its events name the package.
    """
    return Asset(name=f"transition-restore-point/{policy}/{package}", group=_GROUP)


def tell_followers(context: Context, *, point: RestorePoint, key: str) -> None:
    """Give the events of the task's outlets what others need to find the restore point."""
    events: Any = context.get("outlet_events")
    if events is None:
        return
    for asset in context["task"].outlets:
        events[asset].extra = event_extra(point, key=key)


def event_extra(point: RestorePoint, *, key: str) -> dict[str, Any]:
    """Names and numbers only: an archive's contents are secret."""
    return {
        "restore_point": point.id,
        "key": key,
        "policy": point.policy,
        "package": point.package,
        "cluster": point.cluster,
        "namespace": point.namespace,
        "workload": f"{point.workload_kind} {point.workload}",
        "created": point.created.isoformat(),
        "verified": point.verified.isoformat() if point.verified else None,
        "size_bytes": sum(one.size_bytes for one in point.containers),
        "images": point.images,
    }
