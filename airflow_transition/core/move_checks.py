"""Which of the doctor's findings keep one planned move from working. The others only warn."""

from dataclasses import dataclass

from airflow_transition.core.doctor import Check, Finding, Report

_OUTSIDE = frozenset(
    {Check.BUCKET, Check.BUCKET_PRIVATE, Check.REGISTRY, Check.REGISTRY_PRIVATE, Check.PACKAGE}
)
"""Whatever the move is."""
_NOT_LEAVING = frozenset({Check.RUNTIME, Check.HEARTBEAT, Check.NAMESPACE})
"""Of the cluster that is left: what only restores or failovers need."""
_NOT_COMING = frozenset({Check.HEARTBEAT})
_REACHED = frozenset({Check.API_SERVER, Check.GIT, Check.BUCKET, Check.REGISTRY})
"""What does not answer now may answer in a moment."""


@dataclass(frozen=True)
class Leaving:
    """A planned move, as far as it is known before its plan."""

    source: str
    node: str
    """Of the pod."""
    target: str | None
    """None: the plan chooses, and leaves out what cannot take the package."""


def against(report: Report, *, move: Leaving) -> tuple[Finding, ...]:
    """What failed and matters for this move.

    Of the target's nodes only the plan can say which matter: it compares each with the pod's.
    """
    return tuple(finding for finding in report.failed if _matters(finding, move=move))


def may_pass(findings: tuple[Finding, ...]) -> bool:
    """Whether asking again in a moment may find all of them well."""
    return all(finding.check in _REACHED for finding in findings)


def _matters(finding: Finding, *, move: Leaving) -> bool:
    here = not finding.nodes or move.node in finding.nodes
    if finding.check in _OUTSIDE:
        return True
    if finding.subject == move.source:
        return here and finding.check not in _NOT_LEAVING
    if move.target is None:
        return False
    if finding.subject == move.target:
        return not finding.nodes and finding.check not in _NOT_COMING
    return finding.subject == f"{move.source} to {move.target}" and here
