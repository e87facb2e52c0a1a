"""A restore point that stays: taken before something risky, and pinned."""

from datetime import timedelta

from airflow.sdk import DAG

from airflow_transition.operators.pin import RestorePointPinOperator
from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator
from airflow_transition.operators.restore_point import RestorePointRecordOperator
from airflow_transition.transfers.checkpoint_to_image import CheckpointToImageOperator

VIDEO = {"cluster": "cluster1-azure", "package": "video", "package_path": "video"}

with DAG("example_pin", schedule=None, tags={"transition", "example"}) as dag:
    checkpoint = PodCheckpointOperator(task_id="checkpoint", package=VIDEO)
    image = CheckpointToImageOperator(
        task_id="image", checkpoint=checkpoint.output, record_timeout=timedelta(minutes=15)
    )
    record = RestorePointRecordOperator(
        task_id="record",
        policy="clusterpolicy-sample",
        checkpoint=checkpoint.output,
        images=image.output,
    )
    pin = RestorePointPinOperator(
        task_id="pin",
        restore_point="{{ ti.xcom_pull(task_ids='record')['id'] }}",
        why="before the upgrade to version 2",
    )
    checkpoint >> image >> record >> pin
