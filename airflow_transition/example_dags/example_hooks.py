"""A checkpoint with the package's own hooks around it."""

from airflow.sdk import DAG

from airflow_transition.operators.checkpoint_hooks import CheckpointAfterOperator
from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator

VIDEO = {
    "cluster": "cluster1-azure",
    "package": "video",
    "package_path": "video",
    "checkpoint_hooks": {
        "before": {"exec": {"container": "app", "command": ("/bin/flush",)}},
        "after": {"http": {"port": 8080, "path": "/resume"}},
    },
}

with DAG("example_hooks", schedule=None, tags={"transition", "example"}) as dag:
    checkpoint = PodCheckpointOperator(task_id="checkpoint", package=VIDEO)
    after = CheckpointAfterOperator(
        task_id="after_hook", package=VIDEO, checkpoint_task="checkpoint"
    ).as_teardown(on_failure_fail_dagrun=True)
    checkpoint >> after
