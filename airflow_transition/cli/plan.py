"""`airflow transition plan`: what a move would do, and why it could not; nothing is touched."""

import json
import sys
from argparse import Namespace

from airflow_transition.cli import policies
from airflow_transition.cli.session import FAILED, Answer, UsageError, command, with_connections
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.move import AUTOMATIC, MovePlan
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.preflight import Preflight

_MOVE = "cli/plan"
"""Where a plan of a DAG run names the run: this one is never carried out."""


@command
def plan(args: Namespace) -> Answer:
    """Plan one package, or each that moves with its memory; one that cannot move hides no other."""
    policy = policies.policy(args.policy)
    packages = [package.name for package in policies.live_packages(policy, named=args.package)]
    if not packages:
        raise UsageError(f"policy {policy.name} lists no package with liveStatePackage: true")
    with_connections()
    made = [_plan(policy, package=package, target=args.target) for package in packages]
    plans = [each for each in made if each is not None]
    documents = [each.model_dump(mode="json", exclude_none=True) for each in plans]
    text = "\n\n".join("\n".join(each.lines()) for each in plans)
    status = 0 if len(plans) == len(packages) else FAILED
    return Answer(json.dumps(documents, indent=2) if args.json else text, status)


def _plan(policy: ClusterPolicy, *, package: str, target: str | None) -> MovePlan | None:
    try:
        return Preflight(policy, package=package, target=target or AUTOMATIC).plan(move=_MOVE)
    except TransitionError as error:
        print(f"package {package} cannot move now: {error}", file=sys.stderr)
        return None
