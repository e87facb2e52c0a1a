"""DAGs of every valid policy file below `[transition] policies_folder`.

For those who have a DAGs folder only. With many policies use the DAG bundle
`airflow_transition.policy_bundle.PolicyDagBundle` instead: there each policy is parsed by itself.
"""

from pathlib import Path

from airflow_transition.policy_dags import dags_in
from airflow_transition.settings import policies_folder

globals().update(dags_in(policies_folder(beside=Path(__file__).parent)))
