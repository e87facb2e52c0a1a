"""The metrics that tasks send through Airflow's own StatsD or OpenTelemetry, each declared here.

`[metrics]` of Airflow's configuration decides where they go, or that they go nowhere. A metric that
cannot be sent is never a reason for a task to fail.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from airflow.sdk.observability import stats

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One line of docs/reference/metrics.md."""

    name: str
    kind: Literal["counter", "gauge", "timer"]
    unit: str
    tags: tuple[str, ...]
    text: str

    @property
    def prometheus(self) -> str:
        """Its name where Airflow's OpenTelemetry is exported to Prometheus.

        A timer is a histogram there, with `_bucket`, `_sum` and `_count` behind the name.
        """
        ending = {"counter": "_total", "timer": "_milliseconds", "gauge": ""}[self.kind]
        return f"airflow_{self.name.replace('.', '_')}{ending}"


RESTORE_POINT_CREATED = Metric(
    name="transition.restore_point.created",
    kind="gauge",
    unit="seconds since 1970",
    tags=("policy", "package"),
    text="When the newest verified restore point was taken: now minus this is the RPO.",
)
RESTORE_POINT_BYTES = Metric(
    name="transition.restore_point.bytes",
    kind="gauge",
    unit="bytes",
    tags=("policy", "package"),
    text="Size of the newest restore point's archives.",
)
STORED_BYTES = Metric(
    name="transition.stored_bytes",
    kind="counter",
    unit="bytes",
    tags=("policy",),
    text="Archives that became restore points.",
)
STEP_DURATION = Metric(
    name="transition.step.duration",
    kind="timer",
    unit="milliseconds",
    tags=("kind", "step", "policy"),
    text="How long a step of a checkpoint, failover, migration or failback took.",
)
RTO = Metric(
    name="transition.rto",
    kind="timer",
    unit="milliseconds",
    tags=("policy",),
    text="From the last sign of life of a lost cluster until its packages were Ready elsewhere.",
)
DOWNTIME = Metric(
    name="transition.downtime",
    kind="timer",
    unit="milliseconds",
    tags=("kind", "policy"),
    text="How long a package answered nobody: from the closed door, or the fault, to the open one.",
)
LOST = Metric(
    name="transition.rpo",
    kind="gauge",
    unit="seconds",
    tags=("policy", "package"),
    text="Age of the restore point that a failover used: what was lost.",
)
TRANSITIONS = Metric(
    name="transition.transitions",
    kind="counter",
    unit="transitions",
    tags=("kind", "state", "policy"),
    text="Transitions that are over, by how they ended.",
)
FAILURES = Metric(
    name="transition.failures",
    kind="counter",
    unit="attempts",
    tags=("error", "lasting"),
    text="Attempts of tasks that failed, by the error's name; lasting: a person must act.",
)

METRICS = (
    RESTORE_POINT_CREATED,
    RESTORE_POINT_BYTES,
    STORED_BYTES,
    STEP_DURATION,
    RTO,
    DOWNTIME,
    LOST,
    TRANSITIONS,
    FAILURES,
)


def count(metric: Metric, number: float = 1, **tags: str) -> None:
    _send(metric, number, tags=tags)


def gauge(metric: Metric, value: float | datetime, **tags: str) -> None:
    number = value.timestamp() if isinstance(value, datetime) else value
    _send(metric, number, tags=tags)


def timing(metric: Metric, seconds: float, **tags: str) -> None:
    _send(metric, timedelta(seconds=seconds), tags=tags)


def _send(metric: Metric, value: float | timedelta, *, tags: Mapping[str, str]) -> None:
    if set(tags) != set(metric.tags):
        raise TypeError(f"{metric.name} has the tags {metric.tags}, not {tuple(tags)}")
    try:
        if isinstance(value, timedelta):
            stats.timing(metric.name, value, tags=dict(tags))
        elif metric.kind == "counter":
            stats.incr(metric.name, int(value), tags=dict(tags))
        else:
            stats.gauge(metric.name, value, tags=dict(tags))
    except Exception as error:  # noqa: BLE001 - what is measured matters more than its measure
        log.debug("%s is not sent: %s", metric.name, error)
