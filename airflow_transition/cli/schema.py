"""`airflow transition export-schema`: what an editor needs to complete and check a policy."""

import json
from argparse import Namespace

from airflow_transition.cli.session import Answer, command
from airflow_transition.core.policy_schema import policy_schema


@command
def export_schema(_: Namespace) -> Answer:
    return Answer(json.dumps(policy_schema(), indent=2))
