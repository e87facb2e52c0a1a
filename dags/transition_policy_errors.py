"""Shows the errors of broken policy files under Import Errors; has no DAG of its own.

It is a file apart, so that an error takes no airflow DAG of a valid policy away.
"""

from pathlib import Path

from airflow_transition.policy_dags import refuse_broken
from airflow_transition.settings import policies_folder

refuse_broken(policies_folder(beside=Path(__file__).parent))
