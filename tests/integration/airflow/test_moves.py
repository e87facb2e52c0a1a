"""Moves as `watch` reads them from Airflow's database."""

import warnings
from collections.abc import Callable

from airflow.sdk import DAG, BaseOperator, Context

from airflow_transition.cli.moves import newest_move, read_move


class Nothing(BaseOperator):
    def execute(self, context: Context) -> None:
        self.log.info("nothing")


def test_the_newest_move_is_read_with_its_steps_in_order(
    run_dag: Callable[..., dict[str, str]],
) -> None:
    with DAG("migrate.watched", schedule=None) as dag:
        Nothing(task_id="zebra") >> Nothing(task_id="ant")
    run_dag(dag)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = newest_move("watched")
        assert found is not None
        assert found == newest_move(None)
        move = read_move(found[0], run_id=found[1])
    assert move is not None
    assert (move.dag_id, move.state, move.is_over) == ("migrate.watched", "success", True)
    assert [step.task_id for step in move.steps] == ["zebra", "ant"]
    assert all(step.state == "success" and step.began is not None for step in move.steps)
    assert newest_move("nobody") is None
    assert read_move("migrate.watched", run_id="none") is None
