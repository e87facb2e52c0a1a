"""Before a release: the nodes restore, the newest restore points do, and the target has them."""

from airflow.sdk import DAG

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.canary import CanaryOperator
from airflow_transition.operators.restore_test import RestoreTestOperator
from airflow_transition.operators.staging import StageImagesOperator

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

with DAG(
    "example_restore_test", schedule=None, max_active_runs=1, tags={"transition", "example"}
) as dag:
    canary = CanaryOperator(task_id="canary", cluster="cluster2-aws")
    test = RestoreTestOperator(task_id="test", policy=POLICY, package="video")
    stage = StageImagesOperator(
        task_id="stage",
        policy=POLICY,
        restore_point={"id": "{{ ti.xcom_pull(task_ids='test')['video']['restore_point'] }}"},
    )
    canary >> test >> stage
