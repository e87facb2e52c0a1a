"""Remove the source's copy: the point of no return of a move."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.engine import EngineFolder
from airflow_transition.core.move import RETIREMENT, MovePlan
from airflow_transition.core.package_edits import retired
from airflow_transition.core.pod_checkpoint import PodCheckpoint
from airflow_transition.engine_delivery import deliver_if_possible, engine_folder
from airflow_transition.links import CommitLink, PageLink, commit_url
from airflow_transition.operators.move_evidence import pods_of
from airflow_transition.operators.pod_checkpoint import require_door
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

RETIRING = "retiring"
"""XCom key set before the first push: from then on only the repository knows whether it is done."""


class WorkloadRetireOperator(BaseOperator):
    """Scale the source to 0 by one commit, and wait until its pods are gone.

    Refused if the source's door was opened since the checkpoint: it may have accepted work that the
    target does not have.

    :param plan: what TransitionPlanOperator returned.
    :param checkpoint: what PodCheckpointOperator returned.
    :param gone_timeout: how long the GitOps engine and the pods may take.
    """

    template_fields: Sequence[str] = ("plan", "checkpoint")
    operator_extra_links = (PageLink(), CommitLink())
    ui_color = "#f6dcdc"

    def __init__(
        self,
        *,
        plan: TaskValue,
        checkpoint: TaskValue,
        gone_timeout: timedelta = timedelta(minutes=5),
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.plan = plan
        self.checkpoint = checkpoint
        self.gone_timeout = gone_timeout
        self.commit_url: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        plan = MovePlan.model_validate(self.plan)
        lock = PodCheckpoint.model_validate(self.checkpoint).lock
        hook = outside.cluster(plan.source)
        pods = pods_of(plan)
        context["ti"].xcom_push(key=RETIRING, value=True)
        if lock:
            require_door(hook, pods=pods, lock=lock)
        git = outside.git(plan.source)
        commit = git.commit(
            partial(retire_package, package=plan.source),
            message=f"Retire {plan.source.package}: it moved to {plan.target.cluster}",
            trailers=plan.trailers(RETIREMENT),
            folder=plan.source.package_path,
        )
        self.commit_url = commit_url(git.url, sha=commit.sha)
        self.log.info("commit %s (%s)", commit.sha, "new" if commit.changed else "was there")
        tell_source(plan, commit=commit.sha, timeout=self.gone_timeout)
        hook.wait_gone(pods, timeout=self.gone_timeout)
        if plan.lease_seconds is not None:  # it moved along: the target has one of its own
            outside.receiver().delete_lease(
                plan.source.cluster, namespace=plan.namespace, package=plan.source.package
            )
        return {"commit": commit.sha, "changed": commit.changed}


def tell_source(plan: MovePlan, *, commit: str, timeout: timedelta) -> None:
    """There is no way back from the commit: an engine that is away finds it by itself."""
    source = plan.source
    if source.engine is None:
        return
    git = outside.git(source)
    folder = (
        engine_folder(source, namespace=plan.namespace, files=git.read(source.package_path))
        if source.dr  # else its object is the user's, and stays as it is
        else EngineFolder(source, repo_url=source.repo or git.url, namespace=plan.namespace)
    )
    deliver_if_possible(folder, commit=commit, timeout=timeout)


def retire_package(root: Path, *, package: ClusterPackage) -> None:
    """Have the manifests in a clone want no copy of the package."""
    from airflow_transition.hooks.git_errors import FolderNotFoundError  # noqa: PLC0415 - heavy
    from airflow_transition.hooks.git_files import (  # noqa: PLC0415 - heavy
        read_folder,
        replace_files,
    )

    try:
        files = read_folder(root, package.package_path)
    except FolderNotFoundError:  # a bare pod that was alone in it
        return
    replace_files(root, before=files, after=retired(files, package=package.package))
