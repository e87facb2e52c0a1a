"""A maintenance window: nothing reaches the package while its door is closed."""

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_transition.operators.door import DoorCloseOperator, DoorOpenOperator

VIDEO = {"cluster": "cluster1-azure", "package": "video", "package_path": "video"}

with DAG("example_door", schedule=None, tags={"transition", "example"}) as dag:
    close_door = DoorCloseOperator(task_id="close_door", package=VIDEO)
    maintain = EmptyOperator(task_id="maintain")
    open_door = DoorOpenOperator(task_id="open_door", package=VIDEO)
    close_door >> maintain >> open_door.as_teardown(setups=close_door)
