"""Migrations, failovers and failbacks as Airflow's database has them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

KINDS = ("migrate", "failover", "failback")
"""DAG ids begin with one of them and a dot."""

_OVER = {"success", "failed"}


@dataclass(frozen=True)
class Step:
    """One task of a run."""

    task_id: str
    state: str | None
    """None: its turn has not come."""
    began: datetime | None
    ended: datetime | None

    def took(self, *, now: datetime) -> timedelta | None:
        return None if self.began is None else (self.ended or now) - self.began


@dataclass(frozen=True)
class Move:
    """A run of a DAG that moves packages."""

    dag_id: str
    run_id: str
    state: str
    began: datetime | None
    ended: datetime | None
    steps: tuple[Step, ...]

    @property
    def is_over(self) -> bool:
        return self.state in _OVER

    @property
    def name(self) -> str:
        return f"{self.dag_id}/{self.run_id}"

    def took(self, *, now: datetime) -> timedelta | None:
        return None if self.began is None else (self.ended or now) - self.began


def newest_move(policy: str | None) -> tuple[str, str] | None:
    """DAG id and run id: one that is under way goes before those that are over."""
    if policy is None:
        ours = or_(*(DagRun.dag_id.startswith(f"{kind}.") for kind in KINDS))
    else:
        ours = DagRun.dag_id.in_([f"{kind}.{policy}" for kind in KINDS])
    with create_session() as session:
        row = session.execute(
            select(DagRun.dag_id, DagRun.run_id)
            .where(ours)
            .order_by(DagRun._state.in_(sorted(_OVER)), DagRun.id.desc())  # noqa: SLF001 - `state` is no column
            .limit(1)
        ).first()
    return None if row is None else (row.dag_id, row.run_id)


def read_move(dag_id: str, *, run_id: str) -> Move | None:
    """A run as it is now; None: there is no such run."""
    with create_session() as session:
        run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        if run is None:
            return None
        return Move(
            dag_id=dag_id,
            run_id=run_id,
            state=str(run.state),
            began=run.start_date,
            ended=run.end_date,
            steps=tuple(_steps(session, dag_id=dag_id, run_id=run_id)),
        )


def _steps(session: Session, *, dag_id: str, run_id: str) -> Iterable[Step]:
    """In the DAG's order."""
    rows = session.execute(
        select(
            TaskInstance.task_id,
            TaskInstance.state,
            TaskInstance.start_date,
            TaskInstance.end_date,
        ).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    ).all()
    order = _order(session, dag_id=dag_id)
    last = len(order)
    for row in sorted(rows, key=lambda row: (order.get(row.task_id, last), row.task_id)):
        state = None if row.state is None else str(row.state)
        yield Step(row.task_id, state, row.start_date, row.end_date)


def _order(session: Session, *, dag_id: str) -> dict[str, int]:
    dag = SerializedDagModel.get_dag(dag_id, session=session)
    nodes = [] if dag is None else dag.task_group.topological_sort()
    return {str(node.node_id): place for place, node in enumerate(nodes)}
