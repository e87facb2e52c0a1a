"""A restore point before something risky: the package keeps serving."""

from airflow.sdk import DAG

from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator
from airflow_transition.operators.restore_point import RestorePointRecordOperator
from airflow_transition.sensors.checkpoint_record import CheckpointRecordSensor
from airflow_transition.transfers.checkpoint_to_image import CheckpointToImageOperator

VIDEO = {"cluster": "cluster1-azure", "package": "video", "package_path": "video"}

with DAG("example_restore_point", schedule=None, tags={"transition", "example"}) as dag:
    checkpoint = PodCheckpointOperator(task_id="checkpoint", package=VIDEO)
    uploaded = CheckpointRecordSensor(task_id="uploaded", checkpoint=checkpoint.output)
    image = CheckpointToImageOperator(task_id="image", checkpoint=checkpoint.output)
    record = RestorePointRecordOperator(
        task_id="record",
        policy="clusterpolicy-sample",
        checkpoint=checkpoint.output,
        images=image.output,
    )
    checkpoint >> uploaded >> image >> record
