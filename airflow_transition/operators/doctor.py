"""See before a move or a failover that everything which it needs is there."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from airflow_transition.core.doctor import Status
from airflow_transition.core.errors import PermanentError
from airflow_transition.core.policy import ClusterPolicy
from airflow_transition.operators.checkup import Checkup
from airflow_transition.retry_policy import retrying


class NotWellError(PermanentError):
    """The doctor found what will keep a checkpoint, a move or a failover from working."""


class TransitionDoctorOperator(BaseOperator):
    """Check everything that these policies need, and change nothing.

    Returns the report. The task fails where a check failed; warnings, and what could not be found
    out, are in the log and in the report only.

    :param policies: whose clusters, packages and connections.
    :param fail_on_warning: fail also where something warns or is not known.
    :param deadline: for all answers together; what is late is reported as such.
    """

    template_fields: Sequence[str] = ()
    ui_color = "#e3f3ea"

    def __init__(
        self,
        *,
        policies: Sequence[ClusterPolicy],
        fail_on_warning: bool = False,
        deadline: timedelta = timedelta(seconds=30),
        **kwargs: Any,
    ) -> None:
        super().__init__(**retrying(kwargs))
        self.policies = policies
        self.fail_on_warning = fail_on_warning
        self.deadline = deadline

    def execute(self, context: Context) -> dict[str, Any]:
        report = Checkup(self.policies, timeout=self.deadline).run()
        self.log.info("%s", report.summary())
        for finding in report.findings:
            if finding.status is Status.OK:
                self.log.info("%s: %s: %s", finding.subject, finding.check, finding.text)
            else:
                self.log.warning("%s", finding.sentence)
        bad = report.failed if not self.fail_on_warning else report.not_well
        if bad:
            raise NotWellError(
                f"{len(bad)} of {len(report.findings)} checks are not well",
                where=f"policies {', '.join(policy.name for policy in self.policies)}",
                found="; ".join(finding.sentence for finding in bad[:3]),
                do="see the log for all of them with their cures",
            )
        return report.model_dump(mode="json")
