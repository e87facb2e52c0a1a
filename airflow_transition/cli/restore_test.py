"""`airflow transition test-restore`: prove the newest restore points before they are needed."""

import json
import sys
from argparse import Namespace
from getpass import getuser

from airflow_transition.cli import policies
from airflow_transition.cli.session import FAILED, Answer, UsageError, command, with_connections
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.policy import ClusterPolicy, PackageSelector
from airflow_transition.core.proof import Proof
from airflow_transition.operators.isolated_restore import IsolatedRestore


@command
def restore_test(args: Namespace) -> Answer:
    """One package, or each that moves with its memory; one that fails hides no other."""
    policy = policies.policy(args.policy)
    packages = policies.live_packages(policy, named=args.package)
    if not packages:
        raise UsageError(f"policy {policy.name} lists no package with liveStatePackage: true")
    with_connections()
    made = [_test(policy, package=package, target=args.target) for package in packages]
    proofs = [each for each in made if each is not None]
    status = 0 if len(proofs) == len(packages) else FAILED
    if args.json:
        return Answer(json.dumps([one.model_dump(mode="json") for one in proofs], indent=2), status)
    return Answer("\n".join(f"{one.restore_point}: {one}" for one in proofs), status)


def _test(policy: ClusterPolicy, *, package: PackageSelector, target: str | None) -> Proof | None:
    by = f"{getuser()}, airflow transition test-restore"
    try:
        return IsolatedRestore(policy, package, target=target or AUTOMATIC, by=by).run()
    except TransitionError as error:
        print(f"package {package.name} is not proven: {error}", file=sys.stderr)
        return None
