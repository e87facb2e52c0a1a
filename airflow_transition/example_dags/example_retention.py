"""Old restore points after a release: what would go is told first, then it goes."""

from airflow.sdk import DAG

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.reindex import CatalogueReindexOperator
from airflow_transition.operators.retention import RetentionOperator

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
            "retention": {"keepNewest": 3, "keepForHours": 24},
        },
    }
)

with DAG(
    "example_retention", schedule=None, max_active_runs=1, tags={"transition", "example"}
) as dag:
    preview = RetentionOperator(task_id="preview", policy=POLICY, plan_only="True")
    retention = RetentionOperator(task_id="retention", policy=POLICY)
    reindex = CatalogueReindexOperator(task_id="reindex", policy=POLICY)
    preview >> retention >> reindex
