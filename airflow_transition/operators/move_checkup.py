"""In front of a planned move's plan: see that everything is there that this move needs."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition import outside
from airflow_transition.core.cluster_package import package_on
from airflow_transition.core.doctor import Finding, Report
from airflow_transition.core.errors import TemporaryError
from airflow_transition.core.move import AUTOMATIC
from airflow_transition.core.move_checks import Leaving, against, may_pass
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.links import PageLink
from airflow_transition.operators.checkup import Checkup
from airflow_transition.operators.doctor import NotWellError
from airflow_transition.operators.package_place import where_is
from airflow_transition.operators.preflight import live_package
from airflow_transition.operators.whole_policy import whole_policy
from airflow_transition.retry_policy import retrying


class NotReachedError(TemporaryError):
    """Something that the move needs does not answer now."""


class MoveCheckupOperator(BaseOperator):
    """The doctor's checks that matter for one planned move, while nothing has been touched.

    Returns what was not well. The task fails where a check failed that keeps this move from
    working; the rest is in the log with its cure. A failover has no such task: it goes by what is
    known.

    :param policy: the policy whose package moves.
    :param package: name of the package.
    :param target: name of the target cluster, or `automatic`.
    :param deadline: for all answers together; what is late is reported as such.
    """

    template_fields: Sequence[str] = ("package", "target")
    operator_extra_links = (PageLink(),)
    ui_color = "#e3f3ea"

    def __init__(
        self,
        *,
        policy: ClusterPolicy,
        package: str,
        target: str,
        deadline: timedelta = timedelta(seconds=20),
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policy = policy
        self.package = package
        self.target = target
        self.deadline = deadline

    def execute(self, context: Context) -> dict[str, Any]:
        policy = only(whole_policy(self.policy), package=self.package)
        move = self._move(policy)
        self.log.info("%s leaves %s, node %s", self.package, move.source, move.node)
        report = Checkup([policy], timeout=self.deadline, leaving=move.source).run()
        self._tell(report)
        if bad := against(report, move=move):
            raise self._error(bad)
        return Report(findings=report.not_well).model_dump(mode="json")

    def _move(self, policy: ClusterPolicy) -> Leaving:
        """Where the package is now, and on which node."""
        package = live_package(policy, name=self.package)
        places = {
            cluster: package_on(policy, package=package, cluster=cluster)
            for cluster in policy.clusters
        }
        source = where_is(tuple(places.values())).place()
        hook = outside.cluster(places[source])
        pod, _ = hook.find_pod(hook.find_workload(package.name, namespace=package.namespace))
        target = None if self.target == AUTOMATIC else self.target
        return Leaving(source=source, node=str(pod.node), target=target)

    def _tell(self, report: Report) -> None:
        self.log.info("%s", report.summary())
        for finding in report.not_well:
            self.log.warning("%s", finding.sentence)

    def _error(self, bad: tuple[Finding, ...]) -> NotReachedError | NotWellError:
        kind = NotReachedError if may_pass(bad) else NotWellError
        return kind(
            "this move would not go well; nothing was touched",
            where=f"policy {self.policy.name}, package {self.package}",
            found="; ".join(finding.sentence for finding in bad[:3]),
            do="see to it: the log has all of it with its cure; then start the move again",
        )


def only(policy: ClusterPolicy, *, package: str) -> ClusterPolicy:
    """The policy as if it had this package alone: what others need is no matter here."""
    selectors = tuple(each for each in policy.spec.package_selectors if each.name == package)
    spec = policy.spec.model_copy(update={"package_selectors": selectors})
    return policy.model_copy(update={"spec": spec})
