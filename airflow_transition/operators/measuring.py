"""Send the metrics of what has come to an end: a restore point, a failover, a move."""

from airflow_transition import metrics
from airflow_transition.core.catalogue import ToldTransition, TransitionKind
from airflow_transition.core.restore_points import RestorePoint

CHECKPOINT = "checkpoint"
"""The kind of the steps that make a restore point."""


def measure_point(point: RestorePoint) -> None:
    """A restore point that is kept."""
    size = sum(one.size_bytes for one in point.containers)
    if point.verified is not None:
        metrics.gauge(
            metrics.RESTORE_POINT_CREATED,
            point.created,
            policy=point.policy,
            package=point.package,
        )
    metrics.gauge(metrics.RESTORE_POINT_BYTES, size, policy=point.policy, package=point.package)
    metrics.count(metrics.STORED_BYTES, size, policy=point.policy)
    for step, seconds in point.seconds.items():
        metrics.timing(
            metrics.STEP_DURATION, seconds, kind=CHECKPOINT, step=step, policy=point.policy
        )


def measure_transition(told: ToldTransition) -> None:
    """A transition that is over."""
    policy, kind = told.policy, told.kind.value
    metrics.count(metrics.TRANSITIONS, kind=kind, state=told.state.value, policy=policy)
    for step in told.steps:
        if step.seconds is not None:
            metrics.timing(
                metrics.STEP_DURATION, step.seconds, kind=kind, step=step.name, policy=policy
            )
    if told.downtime_seconds is not None:
        metrics.timing(metrics.DOWNTIME, told.downtime_seconds, kind=kind, policy=policy)
    if told.kind is TransitionKind.FAILOVER:
        if told.downtime_seconds is not None:
            metrics.timing(metrics.RTO, told.downtime_seconds, policy=policy)
        for package, seconds in told.rpo_seconds.items():
            metrics.gauge(metrics.LOST, seconds, policy=policy, package=package)
