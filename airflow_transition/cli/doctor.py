"""`airflow transition doctor`: is everything there that moves and failovers need?"""

from argparse import Namespace
from collections.abc import Iterator
from datetime import timedelta

from airflow_transition.cli import policies
from airflow_transition.cli.session import FAILED, Answer, UsageError, command, with_connections
from airflow_transition.cli.table import table
from airflow_transition.core.doctor import Report, Status
from airflow_transition.operators.checkup import Checkup

_HEADER = ("STATUS", "SUBJECT", "CHECK", "FOUND")


@command
def doctor(args: Namespace) -> Answer:
    """0: nothing failed; 1: something did; 2: there is nothing to look at."""
    asked = policies.policies(args.policies)
    if not asked:
        raise UsageError(f"no valid policy below {policies.folder()}; airflow transition lint")
    with_connections()
    report = Checkup(asked, timeout=timedelta(seconds=args.timeout)).run()
    text = report.model_dump_json(indent=2) if args.json else "\n".join(_lines(report))
    bad = report.not_well if args.strict else report.failed
    return Answer(text, FAILED if bad else 0)


def _lines(report: Report) -> Iterator[str]:
    """All findings, then what to do about those that are not well."""
    yield from table(
        _HEADER,
        [(one.status.value, one.subject, one.check.value, one.text) for one in report.findings],
    )
    if report.not_well:
        yield ""
    for status in (Status.FAILED, Status.WARNING, Status.UNKNOWN):
        for finding in report.not_well:
            if finding.status is status:
                yield f"{status}: {finding.subject}: {finding.check}: {finding.cure}"
    yield ""
    yield report.summary()
