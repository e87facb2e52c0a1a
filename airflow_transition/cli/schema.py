"""`airflow transition export-schema`: what an editor needs to complete and check a policy."""

import json
from argparse import Namespace

from airflow_transition.cli.session import command
from airflow_transition.core.policy_schema import policy_schema


@command
def export_schema(_: Namespace) -> int:
    print(json.dumps(policy_schema(), indent=2))
    return 0
