"""The DAGs of the policy files in a folder, for whoever parses DAG files.

A worker parses for one DAG: it then reads only the file that this DAG comes from, and builds only
this DAG. With a thousand policies that is the difference between milliseconds and seconds a task.
"""

from collections.abc import Iterable
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from airflow_transition.core.errors import PermanentError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.core.policy_files import PolicyFileError, find_policies, find_policy
from airflow_transition.dag_builder import build_dags


class BrokenPoliciesError(PermanentError):
    """Policy files with errors, all of them, one a line: `file:line: field: message`."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("broken policy files", where="policies", do="correct them")

    def __str__(self) -> str:
        return "\n".join(self.errors)


def dags_in(folder: Path) -> dict[str, DAG]:
    """DAG id to DAG, of every valid policy; a broken file takes nothing away but its own."""
    wanted = get_parsing_context().dag_id
    if wanted is None:
        return dags_of(find_policies(folder).policies)
    policy = find_policy(folder, name=policy_name_of(wanted))
    return dags_of([policy] if policy else [])


def dags_of(policies: Iterable[ClusterPolicy]) -> dict[str, DAG]:
    """DAG id to DAG; only the one that is parsed for, where that is known."""
    wanted = get_parsing_context().dag_id
    return {
        dag.dag_id: dag for policy in policies for dag in build_dags(policy, only_dag_id=wanted)
    }


def refuse_broken(folder: Path) -> None:
    """Raise every error of every policy file, so that Airflow shows them under Import Errors."""
    refuse(str(error) for error in find_policies(folder).errors)


def refuse(errors: Iterable[str]) -> None:
    """Raise these errors, if there are any, where DAG files are parsed; a task is not disturbed."""
    found = tuple(errors)
    if found and get_parsing_context().dag_id is None:
        raise BrokenPoliciesError(found)


def policy_name_of(dag_id: str) -> str:
    """Name of the policy behind a DAG id; packages and backups have no dots, policies may."""
    kind, _, rest = dag_id.partition(".")
    return rest.rsplit(".", 2)[0] if kind == "checkpoint" else rest


__all__ = ["BrokenPoliciesError", "PolicyFileError", "dags_in", "dags_of", "refuse_broken"]
