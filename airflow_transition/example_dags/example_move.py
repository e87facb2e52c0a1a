"""The tasks of a planned move, as `migrate.<policy>` has them, for a policy of your own."""

from datetime import timedelta

from airflow.sdk import DAG, XComArg

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.door import DoorCloseOperator
from airflow_transition.operators.move_checkup import MoveCheckupOperator
from airflow_transition.operators.move_settle import MoveSettleOperator
from airflow_transition.operators.plan import TransitionPlanOperator
from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator
from airflow_transition.operators.promotion import GitPromoteOperator
from airflow_transition.operators.retirement import WorkloadRetireOperator
from airflow_transition.sensors.workload_restored import WorkloadRestoredSensor
from airflow_transition.transfers.checkpoint_to_image import CheckpointToImageOperator

POLICY = ClusterPolicy.of_document(
    {
        "apiVersion": "transition.dcnlab.ssu.ac.kr/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "example"},
        "spec": {
            "clusterSelector": {
                "name": "cluster1-azure",
                "repo": "https://git.example/cluster1-azure.git",
                "repoType": "git",
            },
            "selectMode": "Specific",
            "packageSelectors": [
                {
                    "name": "video",
                    "packagePath": "video",
                    "packageType": "Stateful",
                    "liveStatePackage": True,
                    "backupInformation": [{"name": "by-hand", "backupType": "Manual"}],
                }
            ],
            "targetClusterPolicy": {
                "preferClusters": [{"name": "cluster2-aws", "repoType": "git", "weight": 100}]
            },
        },
    }
)

# No dagrun_timeout: Airflow would skip the teardown, and the door would stay closed.
with DAG("example_move", schedule=None, max_active_runs=1, tags={"transition", "example"}) as dag:
    preflight = MoveCheckupOperator(
        task_id="preflight", policy=POLICY, package="video", target="automatic"
    )
    plan = TransitionPlanOperator(
        task_id="plan", policy=POLICY, package="video", target="automatic", plan_only="False"
    )
    source, target = XComArg(plan, key="source"), XComArg(plan, key="target")
    close_door = DoorCloseOperator(task_id="close_door", package=source)
    checkpoint = PodCheckpointOperator(task_id="checkpoint", package=source, door=close_door.output)
    image = CheckpointToImageOperator(
        task_id="image", checkpoint=checkpoint.output, record_timeout=timedelta(minutes=15)
    )
    promote = GitPromoteOperator(task_id="promote", plan=plan.output, images=image.output)
    verify = WorkloadRestoredSensor(task_id="verify", package=target, images=image.output)
    retire = WorkloadRetireOperator(
        task_id="retire", plan=plan.output, checkpoint=checkpoint.output
    )
    settle = MoveSettleOperator(
        task_id="settle",
        plan=plan.output,
        promote_task="promote",
        verify_task="verify",
        retire_task="retire",
    ).as_teardown(setups=plan, on_failure_fail_dagrun=True)
    preflight >> plan >> close_door >> checkpoint >> image >> promote >> verify >> retire >> settle
