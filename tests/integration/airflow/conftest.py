"""A database for `dag.test()`, which runs a DAG with Airflow's own rules and no server."""

import warnings
from collections.abc import Callable

import pytest
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.sdk import DAG
from airflow.utils.db import initdb


@pytest.fixture(scope="session")
def database() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        initdb()
        DagBundlesManager().sync_bundles_to_db()


@pytest.fixture
def run_dag(database: None) -> Callable[..., dict[str, str]]:
    """Run a DAG to its end; the state of each task, and of the run as `run`."""

    def run(dag: DAG, **conf: object) -> dict[str, str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bag = DagBag(collect_dags=False)
            bag.bag_dag(dag)
            sync_bag_to_db(bag, "dags-folder", None)
            done = dag.test(run_conf=conf or None)
        states = {task.task_id: str(task.state) for task in done.get_task_instances()}
        return {**states, "run": str(done.state)}

    return run
