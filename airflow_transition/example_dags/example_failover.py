"""The tasks of a failover, as `failover.<policy>` has them, for a policy of your own."""

from airflow.sdk import DAG, Param

from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.failover_end import FailoverEndOperator
from airflow_transition.operators.failover_plan import FailoverPlanOperator
from airflow_transition.operators.failover_promote import FailoverPromoteOperator
from airflow_transition.operators.failover_verify import FailoverVerifyOperator

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

# `schedule=[fault_watch(POLICY)]` of airflow_transition.fault_asset starts it by itself.
with DAG(
    "example_failover",
    schedule=None,
    max_active_runs=1,
    tags={"transition", "example"},
    params={"cluster": Param("cluster1-azure", type="string")},
) as dag:
    plan = FailoverPlanOperator(task_id="plan", policy=POLICY, cluster="{{ params.cluster }}")
    promote = FailoverPromoteOperator(task_id="promote", plan=plan.output)
    verify = FailoverVerifyOperator(task_id="verify", plan=plan.output, promoted=promote.output)
    end = FailoverEndOperator(task_id="end", policy=POLICY).as_teardown()
    plan >> promote >> verify >> end
