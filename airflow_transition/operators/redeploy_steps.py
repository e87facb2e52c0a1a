"""The steps of a move without memory: hold the source, deploy on the target, end the source."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.door_record import DoorRecord
from airflow_transition.core.manner import Manner
from airflow_transition.core.move import RETIREMENT, MovePlan
from airflow_transition.core.package_edits import redeployed
from airflow_transition.engine_delivery import (
    confirm,
    deliver,
    engine_folder,
    files_at,
    write_at,
)
from airflow_transition.links import CommitLink, PageLink, commit_url
from airflow_transition.operators.door import close_door
from airflow_transition.operators.move_evidence import pods_of
from airflow_transition.operators.pod_checkpoint import require_door
from airflow_transition.operators.promotion import PROMOTING, admit_move
from airflow_transition.operators.retirement import RETIRING, retire_package, tell_source
from airflow_transition.proposal import PullRequestWaitsError, land, wait_for_merge
from airflow_transition.retry_policy import retrying
from airflow_transition.task_values import TaskValue

if TYPE_CHECKING:
    from airflow_transition.core.engine import EngineFolder
    from airflow_transition.hooks.cluster import ClusterHook
    from airflow_transition.hooks.gitops import Commit


class RedeployDoorOperator(BaseOperator):
    """Close the source's door where volumes move: what they are told after their backup is lost.

    A package without state keeps serving from both sides until the source ends.

    :param plan: what RedeployPlanOperator returned.
    """

    template_fields: Sequence[str] = ("plan",)
    operator_extra_links = (PageLink(),)
    ui_color = "#f3e2d0"

    def __init__(self, *, plan: TaskValue, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.plan = plan

    def execute(self, context: Context) -> dict[str, Any]:
        plan = MovePlan.model_validate(self.plan)
        if plan.holds_door:
            return close_door(plan.source, owner=plan.move)
        self.log.info("nothing is closed: %s", plan.manner)
        return {}


class RedeployPromoteOperator(BaseOperator):
    """Commit the package into the target's repository with its images and replicas as they are.

    Where the target has an engine, the commit is waited for until the engine has applied it.

    :param plan: what RedeployPlanOperator returned.
    """

    template_fields: Sequence[str] = ("plan",)
    operator_extra_links = (PageLink(), CommitLink())
    ui_color = "#d5ecec"

    def __init__(self, *, plan: TaskValue, **kwargs: Any) -> None:
        super().__init__(**retrying(kwargs))
        self.plan = plan
        self.commit_url: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        return self._promote(context)

    def resume(self, context: Context, event: Any) -> dict[str, Any]:
        """The pull request is merged or closed: whatever was done before is found done."""
        return self._promote(context)

    def _promote(self, context: Context) -> dict[str, Any]:
        plan = MovePlan.model_validate(self.plan)
        context["ti"].xcom_push(key=PROMOTING, value={})
        self._set_door(plan, hook=outside.cluster(plan.target))
        admit_move(plan, images={})
        try:
            folder, commit = self._commit(plan)
        except PullRequestWaitsError as waiting:
            wait_for_merge(self, waiting)
        self.commit_url = commit_url(outside.git(plan.target).url, sha=commit.sha)
        self.log.info("commit %s (%s)", commit.sha, "new" if commit.changed else "was there")
        deliver([folder], commit=commit.sha)
        return {"commit": commit.sha, "changed": commit.changed}

    def _set_door(self, plan: MovePlan, *, hook: "ClusterHook") -> None:
        """Closed until the source has ended where there is state; else open from the start."""
        if plan.manner is Manner.VOLUMES:
            closed = hook.close_ingress_for(
                plan.pod_labels, namespace=plan.namespace, workload=plan.workload
            )
            self.log.info("the target's door is closed: %s", closed)
        elif hook.door_lock(pods_of(plan)):  # a move that was rolled back leaves it closed
            self.log.info("opened: %s", hook.open_door(pods_of(plan)))

    def _commit(self, plan: MovePlan) -> "tuple[EngineFolder, Commit]":
        path = plan.source.package_path
        files = outside.git(plan.source).read(path)
        folder = engine_folder(plan.target, namespace=plan.namespace, files=files)
        changed = redeployed(files, package=plan.source.package, replicas=plan.replicas)
        wanted = files_at(folder, files=changed, source=path)
        commit = land(
            plan.target,
            lambda root: write_at(root, [plan.target], files=wanted),
            message=f"Deploy {plan.source.package}, moved from {plan.source.cluster}",
            trailers=plan.promotion_trailers({}),
            folders=[plan.target.package_path],
            run=plan.move,
        )
        return folder, commit


class RedeployVerifyOperator(BaseOperator):
    """Wait until all replicas are Ready on the target, and its engine calls them healthy.

    :param plan: what RedeployPlanOperator returned.
    :param ready_timeout: how long the GitOps engine, the pull and the start may take.
    """

    template_fields: Sequence[str] = ("plan",)
    operator_extra_links = (PageLink(),)
    ui_color = "#e6f1f2"

    def __init__(
        self, *, plan: TaskValue, ready_timeout: timedelta = timedelta(minutes=10), **kwargs: Any
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.plan = plan
        self.ready_timeout = ready_timeout

    def execute(self, context: Context) -> dict[str, Any]:
        plan = MovePlan.model_validate(self.plan)
        pod = outside.cluster(plan.target).wait_ready(
            plan.target.package, namespace=plan.namespace, timeout=self.ready_timeout
        )
        confirm([plan.target])
        self.log.info("%d replicas are Ready, one on node %s", plan.replicas, pod.node)
        return {"pod": pod.name, "node": pod.node}


class RedeployRetireOperator(BaseOperator):
    """Scale the source to 0 by one commit, and see its pods gone where that can be seen.

    :param plan: what RedeployPlanOperator returned.
    :param door: what RedeployDoorOperator returned: it has to be closed still, if it was.
    :param gone_timeout: how long the GitOps engine and the pods may take.
    """

    template_fields: Sequence[str] = ("plan", "door")
    operator_extra_links = (PageLink(), CommitLink())
    ui_color = "#f6dcdc"

    def __init__(
        self,
        *,
        plan: TaskValue,
        door: TaskValue,
        gone_timeout: timedelta = timedelta(minutes=5),
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.plan = plan
        self.door = door
        self.gone_timeout = gone_timeout
        self.commit_url: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        plan = MovePlan.model_validate(self.plan)
        hook = outside.cluster(plan.source)
        context["ti"].xcom_push(key=RETIRING, value=True)
        if plan.holds_door:
            self._require_door(plan, hook=hook)
        git = outside.git(plan.source)
        commit = git.commit(
            partial(retire_package, package=plan.source),
            message=f"Retire {plan.source.package}: it moved to {plan.target.cluster}",
            trailers=plan.trailers(RETIREMENT),
            folder=plan.source.package_path,
        )
        self.commit_url = commit_url(git.url, sha=commit.sha)
        self.log.info("commit %s (%s)", commit.sha, "new" if commit.changed else "was there")
        if plan.source_answers:
            tell_source(plan, commit=commit.sha, timeout=self.gone_timeout)
            hook.wait_gone(pods_of(plan), timeout=self.gone_timeout)
        else:
            self.log.warning("whether its pods are gone on %s is not seen", plan.source.cluster)
        if plan.lease_seconds is not None:
            outside.receiver().delete_lease(
                plan.source.cluster, namespace=plan.namespace, package=plan.source.package
            )
        return {"commit": commit.sha, "changed": commit.changed}

    def _require_door(self, plan: MovePlan, *, hook: "ClusterHook") -> None:
        door: Mapping[str, Any] = self.door  # type: ignore[assignment]
        lock = DoorRecord.model_validate(door).lock
        if lock:
            require_door(hook, pods=pods_of(plan), lock=lock)
