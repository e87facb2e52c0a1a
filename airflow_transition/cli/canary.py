"""`airflow transition canary`: do the nodes of a cluster really checkpoint and restore?"""

import json
import sys
from argparse import Namespace
from getpass import getuser

from airflow_transition.cli.session import FAILED, Answer, UsageError, command, with_connections
from airflow_transition.cli.table import table
from airflow_transition.core.canary import CanaryResult
from airflow_transition.operators.canary_run import CanaryRun

_HEADER = ("NODE", "RESTORES", "SECONDS", "WHY NOT")


@command
def canary(args: Namespace) -> Answer:
    """0: every node restores; 1: one does not."""
    with_connections()
    run = CanaryRun(args.cluster, by=f"{getuser()}, airflow transition canary")
    results = []
    for node in _asked(run, node=args.node):
        print(f"{args.cluster}/{node}: checkpoint and restore", file=sys.stderr)
        results.append(run.try_node(node))
    status = 0 if all(one.restores for one in results) else FAILED
    if args.json:
        documents = [one.model_dump(mode="json") for one in results]
        return Answer(json.dumps(documents, indent=2), status)
    return Answer("\n".join(table(_HEADER, [_row(one) for one in results])), status)


def _asked(run: CanaryRun, *, node: str | None) -> tuple[str, ...]:
    known = run.nodes()
    if node is None:
        return known
    if node not in known:
        ready = ", ".join(known)
        raise UsageError(f"cluster {run.cluster} has no Ready node {node}; it has {ready}")
    return (node,)


def _row(one: CanaryResult) -> tuple[str, ...]:
    return one.node, "yes" if one.restores else "NO", f"{one.seconds:.1f}", one.error or ""
