"""What can be found out about a move at this moment, each only when it is asked for."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.cluster_package import ClusterPackage
from airflow_transition.core.errors import TransitionError
from airflow_transition.core.manner import Manner
from airflow_transition.core.move import MovePlan
from airflow_transition.core.package_edits import is_promoted, is_retired, is_wanted
from airflow_transition.operators.receiver import receiver_if_any

if TYPE_CHECKING:
    from airflow_transition.hooks.workloads import PodSet

log = logging.getLogger(__name__)

_AT_ONCE = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class TaskMarks:
    """What Airflow knows of the tasks of a move."""

    states: Mapping[str, str | None]
    """Task id to state, of the whole run."""
    images: Mapping[str, str] | None
    """What the promotion writes, by container; None: it never began."""
    retirement_begun: bool
    retirement_done: bool
    """The commit was pushed and the source's pods were seen gone."""

    @property
    def failed(self) -> str | None:
        """The task at which the move stopped."""
        for task, state in self.states.items():
            if state == "failed":
                return task
        return None


class Evidence:
    """One look at a move (`core.move.Seen`); make a new one for the next look."""

    def __init__(self, plan: MovePlan, *, marks: TaskMarks, target_shut: bool) -> None:
        self.plan = plan
        self.marks = marks
        self.target_shut = target_shut

    @property
    def retirement_begun(self) -> bool:
        return self.marks.retirement_begun

    @property
    def promotion_begun(self) -> bool:
        return self.marks.images is not None

    @cached_property
    def given_up(self) -> bool:
        """By the claims of the source: a fault at or after the epoch that the plan saw."""
        epoch = self.plan.source_epoch
        receiver = None if epoch is None else receiver_if_any()
        if epoch is None or receiver is None:
            return False
        try:
            claims = receiver.claims(cluster=self.plan.source.cluster)
        except TransitionError as error:
            log.warning("not known whether a failover took the package: %s", error)
            return False
        return any(
            claim.epoch >= epoch
            and self.plan.source.package in {copy.package for copy in claim.packages}
            for claim in claims
        )

    @cached_property
    def retired(self) -> bool | None:
        if self.marks.retirement_done:
            return True
        files = self._files(self.plan.source)
        if files is None:
            return None
        return not files or is_retired(files, package=self.plan.source.package)

    @cached_property
    def promoted(self) -> bool | None:
        files = self._files(self.plan.target)
        if files is None:
            return None
        if self.plan.manner is not Manner.LIVE:
            return is_wanted(files, package=self.plan.target.package)
        return is_promoted(files, images=self.marks.images or {})

    @cached_property
    def source_gone(self) -> bool:
        return self.marks.retirement_done or self._gone(self.plan.source)

    @cached_property
    def target_gone(self) -> bool:
        return self._gone(self.plan.target)

    @cached_property
    def target_restored(self) -> bool:
        try:
            self._wait_restored()
        except TransitionError as error:
            log.info("the target is not restored: %s", error)
            return False
        return True

    def _wait_restored(self) -> None:
        target = self.plan.target
        hook, namespace = outside.cluster(target), self.plan.namespace
        if self.plan.manner is not Manner.LIVE:
            hook.wait_ready(target.package, namespace=namespace, timeout=_AT_ONCE)
            return
        images = self.marks.images or {}
        hook.wait_restored(target.package, images=images, namespace=namespace, timeout=_AT_ONCE)

    def _files(self, package: ClusterPackage) -> Mapping[str, str] | None:
        """The package's manifests as its repository has them now; None where it does not answer."""
        from airflow_transition.hooks.git_errors import FolderNotFoundError  # noqa: PLC0415 - heavy

        try:
            return outside.git(package).read(package.package_path)
        except FolderNotFoundError:
            return {}
        except TransitionError as error:
            log.warning("cannot be told from Git now: %s", error)
            return None

    def _gone(self, package: ClusterPackage) -> bool:
        try:
            outside.cluster(package).wait_gone(pods_of(self.plan), timeout=_AT_ONCE)
        except TransitionError as error:
            log.info("not gone: %s", error)
            return False
        return True


def pods_of(plan: MovePlan) -> "PodSet":
    """The moved workload's pods, on either side, whether its objects exist or not."""
    from airflow_transition.hooks.workloads import PodSet  # noqa: PLC0415 - heavy

    return PodSet(namespace=plan.namespace, workload=plan.workload, labels=plan.pod_labels)
