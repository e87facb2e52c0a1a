"""A backup of a package's volumes, and the tasks of its move, as `redeploy.<policy>` has them."""

from airflow.sdk import DAG

from airflow_transition.core.cluster_package import package_on, source_package
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.backups import VeleroBackupOperator
from airflow_transition.operators.move_settle import MoveSettleOperator
from airflow_transition.operators.redeploy_plan import RedeployPlanOperator
from airflow_transition.operators.redeploy_steps import (
    RedeployDoorOperator,
    RedeployPromoteOperator,
    RedeployRetireOperator,
    RedeployVerifyOperator,
)
from airflow_transition.operators.volumes import VolumesMoveOperator

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
                    "name": "db",
                    "packagePath": "db",
                    "packageType": "Stateful",
                    "namespace": "shop",
                    "backupInformation": [{"name": "by-hand", "backupType": "Manual"}],
                }
            ],
            "targetClusterPolicy": {
                "preferClusters": [{"name": "cluster2-aws", "repoType": "git", "weight": 100}]
            },
        },
    }
)
DB = POLICY.package("db")

# No dagrun_timeout: Airflow would skip the teardown, and the door would stay closed.
with DAG("example_redeploy", schedule=None, max_active_runs=1, tags={"transition", "example"}):
    backup = VeleroBackupOperator(
        task_id="backup",
        policy=POLICY.name,
        velero=POLICY.spec.velero,
        backup="by-hand",
        package=source_package(POLICY, package=DB).as_json(),
        places=[
            package_on(POLICY, package=DB, cluster=cluster).as_json() for cluster in POLICY.clusters
        ],
        cron=None,
    )
    plan = RedeployPlanOperator(
        task_id="plan", policy=POLICY, package="db", target="automatic", plan_only="False"
    )
    close_door = RedeployDoorOperator(task_id="close_door", plan=plan.output)
    volumes = VolumesMoveOperator(task_id="volumes", plan=plan.output, door=close_door.output)
    promote = RedeployPromoteOperator(task_id="promote", plan=plan.output)
    verify = RedeployVerifyOperator(task_id="verify", plan=plan.output)
    retire = RedeployRetireOperator(task_id="retire", plan=plan.output, door=close_door.output)
    settle = MoveSettleOperator(
        task_id="settle",
        plan=plan.output,
        promote_task="promote",
        verify_task="verify",
        retire_task="retire",
    ).as_teardown(setups=plan, on_failure_fail_dagrun=True)
    backup >> plan >> close_door >> volumes >> promote >> verify >> retire >> settle
