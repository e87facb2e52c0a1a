"""Where the time of a run went: each try of each task, and how much of it a client was waiting."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lab.airflow_rest import AirflowApi
from lab.ledger import Switch

_NONE = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Span:
    """One try of a task."""

    task_id: str
    try_number: int
    state: str | None
    start: datetime
    end: datetime

    def inside(self, start: datetime, end: datetime) -> timedelta:
        """How much of it lies between two moments."""
        return max(min(self.end, end) - max(self.start, start), _NONE)


def spans_of(airflow: AirflowApi, *, dag_id: str, run_id: str) -> list[Span]:
    """Every try of every task of the run that began and ended, by the time at which it began."""
    root = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances"
    spans = [
        Span(
            task_id=task["task_id"],
            try_number=task["try_number"],
            state=task["state"],
            start=datetime.fromisoformat(task["start_date"]),
            end=datetime.fromisoformat(task["end_date"]),
        )
        for one in airflow.rest("GET", f"{root}?limit=100")["task_instances"]
        for task in airflow.rest("GET", f"{root}/{one['task_id']}/tries")["task_instances"]
        if task["start_date"] and task["end_date"]
    ]
    return sorted(spans, key=lambda span: span.start)


def table(spans: Sequence[Span], *, began: datetime, switch: Switch | None = None) -> Iterator[str]:
    """One line per try: when it began, how long it took, what of the client's waiting is its own.

    What is left of the waiting lies between tasks: Airflow's own.
    """
    yield f"  {'task':<12} {'try':>3} {'state':<12} {'begins s':>9} {'takes s':>8} {'waited s':>9}"
    window = (switch.at - timedelta(seconds=switch.waited_seconds), switch.at) if switch else None
    waited = _NONE
    for span in spans:
        own = span.inside(*window) if window else _NONE
        # What runs beside the chain is not waited for.
        waited += own if span.task_id != "record" else _NONE
        yield (
            f"  {span.task_id:<12} {span.try_number:>3} {span.state!s:<12}"
            f" {_seconds(span.start - began)} {_seconds(span.end - span.start, width=8)}"
            f" {_seconds(own)}"
        )
    if switch:
        total = timedelta(seconds=switch.waited_seconds)
        yield f"  {'between tasks':<49} {_seconds(total - waited)}"
        yield f"  {'the client waited':<49} {_seconds(total)}"


def _seconds(duration: timedelta, *, width: int = 9) -> str:
    return f"{duration.total_seconds():>{width}.2f}"
