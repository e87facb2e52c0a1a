"""A doctor in front of a plan: what is not well is told with its cure, before anything begins."""

from airflow.sdk import DAG

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.doctor import TransitionDoctorOperator
from airflow_transition.operators.plan import TransitionPlanOperator

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
            "failover": {"mode": "Manual"},
        },
    }
)

with DAG("example_doctor", schedule=None, tags={"transition", "example"}) as dag:
    doctor = TransitionDoctorOperator(task_id="doctor", policies=[POLICY])
    plan = TransitionPlanOperator(
        task_id="plan", policy=POLICY, package="video", target="automatic", plan_only="True"
    )
    doctor >> plan
