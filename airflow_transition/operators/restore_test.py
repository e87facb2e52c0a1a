"""Test restores: prove restore points before they are needed."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from airflow_transition.core.errors import PermanentError, TemporaryError, TransitionError
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.isolated_restore import IsolatedRestore, NothingToTestError
from airflow_transition.operators.whole_policy import whole_policy
from airflow_transition.retry_policy import retrying


class RestoreTestFailedError(PermanentError):
    """A package's newest restore point would not have restored."""


class RestoreTestOperator(BaseOperator):
    """Restore the newest restore point of each live package in isolation, one after the other.

    Each that is restored and answers is marked as proven. One that is not hides no other: the task
    fails at the end, with what each said.

    :param policy: the policy whose packages are tested.
    :param package: name of one package; empty: all that move with their memory.
    :param target: name of the cluster, or `automatic`: where a failover would go.
    """

    template_fields: Sequence[str] = ("package", "target")
    ui_color = "#e8e0f2"

    def __init__(
        self, *, policy: ClusterPolicy, package: str = "", target: str = AUTOMATIC, **kwargs: Any
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy
        self.package = package
        self.target = target

    def execute(self, context: Context) -> dict[str, Any]:
        by = f"{context['ti'].dag_id}/{context['run_id']}"
        policy = whole_policy(self.policy)
        live = [one for one in policy.spec.package_selectors if one.live_state_package]
        proofs: dict[str, Any] = {}
        failed: list[TransitionError] = []
        for package in live:
            if self.package not in {"", package.name}:
                continue
            try:
                proof = IsolatedRestore(policy, package, target=self.target, by=by).run()
                proofs[package.name] = proof.model_dump(mode="json")
            except TemporaryError:
                raise  # another one is under way, or the cluster is away: all are tried again
            except NothingToTestError as error:
                self.log.warning("%s", error)
            except TransitionError as error:
                self.log.error("%s: %s", package.name, error)  # noqa: TRY400 - it says it all
                failed.append(error)
        if failed:
            raise RestoreTestFailedError(
                "restore points were not restored",
                where=f"policy {policy.name}",
                found="; ".join(map(str, failed)),
                do="cure the cause before a failover needs them",
            )
        if not proofs:
            raise AirflowSkipException("there is no restore point to test yet")
        return proofs
