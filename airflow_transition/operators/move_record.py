"""Write down how a planned move went, once a door is open: its story in S3, and the catalogue."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from airflow.sdk import Context

from airflow_transition import outside
from airflow_transition.core.catalogue import Told
from airflow_transition.core.move import MovePlan, Step
from airflow_transition.core.move_story import MoveStep, MoveStory, Outcome
from airflow_transition.core.told_stories import told_move
from airflow_transition.operators.approval import started_by
from airflow_transition.operators.measuring import measure_transition
from airflow_transition.operators.move_evidence import TaskMarks
from airflow_transition.operators.telling import tell

log = logging.getLogger(__name__)

_OUTCOMES: Mapping[Step, Outcome] = {
    Step.OPEN_TARGET: "moved",
    Step.OPEN_SOURCE: "rolled-back",
    Step.LEAVE: "given-up",
}
_STATES: Mapping[str, Literal["done", "failed"]] = {"success": "done", "failed": "failed"}


@dataclass(frozen=True, kw_only=True)
class MoveEnd:
    """What is known of a move when it is settled."""

    plan: MovePlan
    step: Step
    marks: TaskMarks
    text: str
    next_step: str | None = None


def record_move(
    end: MoveEnd, *, context: Context, door_task: str | None, promote_task: str
) -> None:
    """The package is open again: nothing that goes wrong here undoes that."""
    try:
        story = _story(end, context=context, door_task=door_task, promote_task=promote_task)
        outside.store().put_move(story)
        told = told_move(story)
    except Exception as error:  # noqa: BLE001 - as the docstring says
        log.warning("the move's story is not written down: %s", error)
        return
    measure_transition(told)
    tell(lambda: Told(transitions=(told,)))


def _story(
    end: MoveEnd, *, context: Context, door_task: str | None, promote_task: str
) -> MoveStory:
    ti, ended = context["ti"], datetime.now(UTC)
    door: Any = ti.xcom_pull(task_ids=door_task) if door_task else None
    closed = datetime.fromisoformat(door["closed"]) if door else None
    promoted: Any = ti.xcom_pull(task_ids=promote_task)
    run = context.get("dag_run")
    began = getattr(run, "start_date", None) or closed or ended
    return MoveStory(
        plan=end.plan,
        began=began,
        ended=max(ended, began),
        outcome=_OUTCOMES[end.step],
        text=end.text,
        downtime_seconds=None if closed is None else max(0.0, (ended - closed).total_seconds()),
        steps=tuple(_steps(end.marks, seconds=_seconds(context))),
        images=tuple((end.marks.images or {}).values()),
        commit=promoted["commit"] if promoted else None,
        started_by=started_by(context),
        next_step=end.next_step,
    )


def _seconds(context: Context) -> dict[str, float]:
    """Task id to how long its last attempt took, by Airflow's own count."""
    ti: Any = context["ti"]  # what Airflow's protocol of it leaves out
    crumbs = ti.get_task_breadcrumbs(ti.dag_id, str(context["run_id"]))
    return {one["task_id"]: one["duration"] for one in crumbs if one["duration"] is not None}


def _steps(marks: TaskMarks, *, seconds: Mapping[str, float]) -> Iterator[MoveStep]:
    """In the order in which Airflow names the run's tasks."""
    for task, state in marks.states.items():
        ended = _STATES.get(state or "")
        if task in seconds and ended is not None:
            yield MoveStep(name=task, seconds=round(max(0.0, seconds[task]), 3), state=ended)
        elif state in {"skipped", "upstream_failed"}:
            yield MoveStep(name=task, state="skipped")
