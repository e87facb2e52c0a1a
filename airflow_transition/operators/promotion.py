"""Have the target cluster run a package from its checkpoint images."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context
from transition_wire.heartbeat import PodCopy

from airflow_transition import outside
from airflow_transition.core.checkpoint_images import CheckpointImages
from airflow_transition.core.move import MovePlan
from airflow_transition.core.package_edits import promoted
from airflow_transition.engine_delivery import (
    deliver,
    engine_folder,
    files_at,
    write_at,
)
from airflow_transition.links import CommitLink, PageLink, commit_url
from airflow_transition.operators.move_evidence import pods_of
from airflow_transition.operators.receiver import admit, receiver_if_any
from airflow_transition.proposal import PullRequestWaitsError, land, landed, wait_for_merge
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

if TYPE_CHECKING:
    from airflow_transition.core.engine import EngineFolder
    from airflow_transition.hooks.gitops import Commit

PROMOTING = "promoting"
"""XCom key set before the first push: from then on there may be something to take back."""


class GitPromoteOperator(BaseOperator):
    """Close the target's door, then commit the package with its checkpoint images.

    Where the target has an engine, the commit is waited for until the engine has applied it.

    The manifests are those that the source runs; only the images and the number of replicas differ.
    Committing what is there already changes nothing, so a repeated attempt is harmless.

    :param plan: what TransitionPlanOperator returned.
    :param images: what CheckpointToImageOperator returned.
    """

    template_fields: Sequence[str] = ("plan", "images")
    operator_extra_links = (PageLink(), CommitLink())
    ui_color = "#d5ecec"

    def __init__(self, *, plan: TaskValue, images: TaskValue, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.plan = plan
        self.images = images
        self.commit_url: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        return self._promote(context)

    def resume(self, context: Context, event: Any) -> dict[str, Any]:
        """The pull request is merged or closed: whatever was done before is found done."""
        return self._promote(context)

    def _promote(self, context: Context) -> dict[str, Any]:
        plan = MovePlan.model_validate(self.plan)
        images = CheckpointImages.model_validate(self.images).images
        context["ti"].xcom_push(key=PROMOTING, value=images)
        closed = outside.cluster(plan.target).close_ingress_for(
            plan.pod_labels, namespace=plan.namespace, workload=plan.workload
        )
        self.log.info("the target's door is closed: %s", closed)
        admit_move(plan, images=images)
        try:
            folder, commit = self._commit(plan, images=images)
        except PullRequestWaitsError as waiting:
            wait_for_merge(self, waiting)
        self.commit_url = commit_url(outside.git(plan.target).url, sha=commit.sha)
        self.log.info("commit %s (%s)", commit.sha, "new" if commit.changed else "was there")
        deliver([folder], commit=commit.sha)
        return {"commit": commit.sha, "changed": commit.changed, "images": images}

    def _commit(
        self, plan: MovePlan, *, images: Mapping[str, str]
    ) -> "tuple[EngineFolder, Commit]":
        """The source's manifests, read only now, with the images, in the target's repository."""
        path = plan.source.package_path
        files = outside.git(plan.source).read(path)
        folder = engine_folder(plan.target, namespace=plan.namespace, files=files)
        changed = promoted(files, package=plan.source.package, images=images)
        wanted = files_at(folder, files=changed, source=path)
        commit = land(
            plan.target,
            lambda root: write_at(root, [plan.target], files=wanted),
            message=f"Promote {plan.source.package} from {plan.source.cluster}",
            trailers=plan.promotion_trailers(images),
            folders=[plan.target.package_path],
            run=plan.move,
        )
        return folder, commit


def admit_move(plan: MovePlan, *, images: Mapping[str, str]) -> None:
    """Let the package run on the target, where an earlier failover may have fenced it.

    Its pods there have to be gone before the fence is lifted, unless they are those that this very
    promotion started in an earlier attempt.
    """
    from airflow_transition.hooks.cluster import PodsRemainError  # noqa: PLC0415 - heavy

    receiver = receiver_if_any() if plan.lease_seconds is None else outside.receiver()
    if receiver is None:
        return
    try:
        outside.cluster(plan.target).wait_gone(pods_of(plan), timeout=timedelta(0))
    except PodsRemainError:
        trailers = plan.promotion_trailers(images)
        if landed(plan.target, step=trailers, trailers=trailers, run=plan.move) is None:
            raise
    admit(
        receiver,
        cluster=plan.target.cluster,
        pods=PodCopy(
            package=plan.target.package, namespace=plan.namespace, pod_labels=plan.pod_labels
        ),
        lease_seconds=plan.lease_seconds,
    )
