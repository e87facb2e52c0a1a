"""`airflow transition reindex`: put the catalogue behind the page right by what S3 holds."""

import json
from argparse import Namespace

from airflow_transition.cli import policies
from airflow_transition.cli.session import FAILED, Answer, UsageError, command, with_connections
from airflow_transition.operators.reindex import make_reindex


@command
def reindex(args: Namespace) -> Answer:
    """0: the catalogue is as S3 is; 1: something could not be read, or told."""
    asked = policies.policies(args.policies)
    with_connections()
    found = make_reindex()
    if found is None:
        raise UsageError(
            "no connection leads to the catalogue: create the one that [transition] "
            "receiver_conn_id names (docs/reference/connections.md)"
        )
    clusters = None
    if args.policies:
        clusters = list(dict.fromkeys(name for one in asked for name in one.clusters))
    found.run(asked, clusters=clusters)
    if args.json:
        text = json.dumps(found.as_json(), indent=2)
    else:
        text = "\n".join([f"unreadable: {one}" for one in found.unreadable] + [str(found)])
    return Answer(text, FAILED if found.unreadable else 0)
