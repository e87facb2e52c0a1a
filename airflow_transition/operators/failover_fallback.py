"""Where a restore point does not restore on the target: promote the one before it."""

import logging
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from airflow_transition import outside
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.failover import FailoverPlan, PackageFailover
from airflow_transition.operators.failover_claim import FailoverClaim
from airflow_transition.operators.target_promotion import TargetPromotion

if TYPE_CHECKING:
    from airflow_transition.hooks.heartbeat import HeartbeatHook

log = logging.getLogger(__name__)

_SYNC = timedelta(minutes=5)


@dataclass
class FailoverFallback:
    """One failover's way back through the restore points that its plan names.

    Each is a commit of its own, found again by its images: a repeated attempt goes on where the one
    before it was.
    """

    plan: FailoverPlan
    receiver: "HeartbeatHook | None"
    _committing: threading.Lock = field(default_factory=threading.Lock, init=False)

    def reached(self, package: PackageFailover) -> PackageFailover:
        """The package as the target's repository has it by now."""
        there = package
        while (following := there.fallen_back("it did not restore")) and self._pushed(following):
            there = following
        return there

    def after(self, package: PackageFailover, *, error: PermanentError) -> PackageFailover | None:
        """Promoted from the restore point before; None: there is none, and the error stays."""
        following = package.fallen_back(error.what)
        if following is None:
            return None
        log.warning("%s does not restore: %s", package.restore_point, error)
        log.warning("falling back to %s", following.restore_point)
        with self._committing:
            FailoverClaim(self.plan, self.receiver, patience=timedelta(0)).confirm()
            promotion = self._promotion(following)
            there = following.model_copy(update={"manifests": following.target})
            commit = promotion.commit([following], files=partial(promotion.files, [there]))
        promotion.sync([following], commit=commit.sha)
        return following

    def _pushed(self, package: PackageFailover) -> str | None:
        trailers = self.plan.promotion_trailers([package])
        return outside.git(package.target).find(trailers)

    def _promotion(self, package: PackageFailover) -> TargetPromotion:
        """From the manifests that the target has: all that changes in them are the images."""
        path = package.target.package_path
        files = outside.git(package.target).read_all((path,)).get(path, {})
        return TargetPromotion(
            self._alone(package), self.receiver, manifests={package.name: files}, sync_timeout=_SYNC
        )

    def _alone(self, package: PackageFailover) -> FailoverPlan:
        return self.plan.model_copy(update={"packages": (package,)})
