"""What keeps a planned move from beginning, and what only warns."""

import pytest

from airflow_transition.core.doctor import Check, Finding, Report, Status
from airflow_transition.core.move_checks import Leaving, against, may_pass

MOVE = Leaving(source="one", node="node-a", target="two")
BY_PLAN = Leaving(source="one", node="node-a", target=None)


def failed(check: Check, subject: str, *nodes: str, status: Status = Status.FAILED) -> Finding:
    return Finding(check=check, status=status, subject=subject, found="f", cure="c", nodes=nodes)


@pytest.mark.parametrize(
    ("finding", "matters"),
    [
        (failed(Check.BUCKET_PRIVATE, "bucket"), True),
        (failed(Check.REGISTRY_PRIVATE, "registry"), True),
        (failed(Check.REGISTRY_DELETION, "registry"), False),
        (failed(Check.RECEIVER, "receiver"), False),
        (failed(Check.PACKAGE, "policy: video"), True),
        (failed(Check.API_SERVER, "one"), True),
        (failed(Check.CRIU, "one", "node-a", "node-b"), True),
        (failed(Check.CRIU, "one", "node-b"), False),
        (failed(Check.RUNTIME, "one", "node-a"), False),
        (failed(Check.HEARTBEAT, "one"), False),
        (failed(Check.RIGHTS, "two"), True),
        (failed(Check.RUNTIME, "two", "node-c"), False),
        (failed(Check.RIGHTS, "three"), False),
        (failed(Check.NODE_FIT, "one to two", "node-a"), True),
        (failed(Check.NODE_FIT, "one to two", "node-b"), False),
        (failed(Check.NODE_FIT, "one to three", "node-a"), False),
        (failed(Check.CRIU, "one", "node-a", status=Status.WARNING), False),
        (failed(Check.AGENT, "one", status=Status.UNKNOWN), False),
    ],
)
def test_a_finding_matters_where_this_move_meets_it(finding: Finding, matters: bool) -> None:
    assert bool(against(Report.of([finding]), move=MOVE)) is matters


def test_where_the_plan_chooses_a_target_that_is_not_well_is_left_out_by_it() -> None:
    report = Report.of([failed(Check.RIGHTS, "two"), failed(Check.NODE_FIT, "one to two")])
    assert against(report, move=BY_PLAN) == ()
    assert len(against(report, move=MOVE)) == 2


def test_what_does_not_answer_may_answer_in_a_moment() -> None:
    away = failed(Check.GIT, "one")
    assert may_pass((away,))
    assert not may_pass((away, failed(Check.RIGHTS, "one")))
