"""Wait until a cluster's agents are heard again, without a worker, and then go on."""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_transition.sensors.node_health import NodeHealthSensor

with DAG("example_node_health", schedule=None, tags={"transition", "example"}) as dag:
    heard_again = NodeHealthSensor(
        task_id="heard_again",
        cluster="cluster1-azure",
        health="Ready",
        grace_period=timedelta(seconds=20),
        deferrable=True,
    )
    tell_the_team = EmptyOperator(task_id="tell_the_team")
    heard_again >> tell_the_team
