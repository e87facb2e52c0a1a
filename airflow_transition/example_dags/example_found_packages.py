"""A restore point of everything that the repository annotates, made by hand before a big change."""

from airflow.sdk import DAG

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.found_packages import FoundPackagesOperator
from airflow_transition.operators.pod_checkpoint import PodCheckpointOperator

POLICY = ClusterPolicy.of_document(
    {
        "apiVersion": "transition.dcnlab.ssu.ac.kr/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "everything"},
        "spec": {
            "clusterSelector": {
                "name": "cluster1-azure",
                "repo": "https://git.example.com/nephio/cluster1-azure.git",
                "repoType": "git",
            },
            "selectMode": "All",
            "backupInformation": [{"name": "by-hand", "backupType": "Manual"}],
        },
    }
)

with DAG("example_found_packages", schedule=None, tags={"transition", "example"}) as dag:
    packages = FoundPackagesOperator(task_id="packages", policy=POLICY)
    PodCheckpointOperator.partial(task_id="checkpoint").expand_kwargs(packages.output)
