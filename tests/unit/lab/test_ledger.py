from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lab.ledger import Answer, Ledger, Report

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def answer(
    counter: int,
    *,
    cluster: str = "azure",
    identity: str = "one",
    position: int = 0,
    at: float | None = None,
) -> Answer:
    seconds = counter * 0.05 if at is None else at
    return Answer(
        cluster=cluster,
        id=identity,
        counter=counter,
        position=position,
        monotonic=seconds,
        wall=EPOCH + timedelta(seconds=seconds),
    )


def report_of(*answers: Answer, moves: int = 1, until: float | None = None) -> Report:
    ledger = Ledger(moves=moves)
    for each in answers:
        ledger.take(each)
    return ledger.report(monotonic=answers[-1].monotonic if until is None else until)


def test_a_move_with_the_same_id_and_a_counter_that_goes_on_is_well() -> None:
    report = report_of(
        answer(1, at=0.0),
        answer(2, at=0.05, position=1),
        answer(4, cluster="aws", at=2.55, position=1),
        answer(5, cluster="aws", at=2.6, position=2),
    )
    assert report.problems == ()
    (switch,) = report.switches
    assert (switch.source, switch.target, switch.waited_seconds) == ("azure", "aws", 2.5)
    assert (switch.counter_before, switch.counter_after) == (2, 4)
    assert report.longest_gap is not None
    assert report.longest_gap.seconds == 2.5
    assert report.answers_by_cluster == {"azure": 2, "aws": 2}


def test_a_counter_that_goes_back_is_told() -> None:
    report = report_of(answer(7), answer(6, cluster="aws", at=1.0))
    assert len(report.problems) == 1
    assert "counter 6, and 7 before" in report.problems[0]


def test_the_same_counter_twice_is_a_lost_request() -> None:
    assert report_of(answer(7), answer(7, at=1.0)).problems


def test_another_id_is_another_process() -> None:
    (problem,) = report_of(answer(7), answer(8, identity="two")).problems
    assert "started anew" in problem


def test_a_position_that_goes_back_is_told() -> None:
    (problem,) = report_of(answer(7, position=3), answer(8, position=2)).problems
    assert "position 2, and 3 before" in problem


def test_an_answer_of_the_source_after_the_move_means_two_copies() -> None:
    (problem,) = report_of(answer(1), answer(2, cluster="aws"), answer(3)).problems
    assert "two copies run" in problem


def test_the_way_back_is_a_second_move() -> None:
    report = report_of(answer(1), answer(2, cluster="aws"), answer(3), moves=2)
    assert report.problems == ()
    assert len(report.switches) == 2


def test_a_silence_that_still_lasts_is_a_gap() -> None:
    gap = report_of(answer(1, at=0.0), answer(2, at=0.1), until=9.1).longest_gap
    assert gap is not None
    assert (gap.seconds, gap.answered_by) == (9.0, None)


def failed_over(*answers: Answer, promised: int) -> Report:
    ledger = Ledger(moves=0)
    ledger.promise(promised)
    ledger.expect("failover")
    for each in answers:
        ledger.take(each)
    return ledger.report(monotonic=answers[-1].monotonic)


def test_a_failover_may_go_back_to_the_restore_point() -> None:
    report = failed_over(
        answer(8, position=5, at=0.0),
        answer(9, position=6, at=1.0),
        answer(6, cluster="aws", position=3, at=9.0),
        answer(7, cluster="aws", position=3, at=9.1),
        promised=5,
    )
    assert report.problems == ()
    (switch,) = report.switches
    assert (switch.change, switch.counter_before, switch.counter_after) == ("failover", 9, 6)
    assert (switch.position_before, switch.position_after) == (6, 3)


def test_a_failover_to_a_state_before_the_restore_point_is_older_than_promised() -> None:
    (problem,) = failed_over(answer(9), answer(5, cluster="aws", at=9.0), promised=5).problems
    assert "older than promised" in problem


def test_after_a_failover_the_counter_goes_on() -> None:
    back = failed_over(
        answer(9), answer(6, cluster="aws", at=9.0), answer(6, cluster="aws", at=9.1), promised=5
    )
    assert "counter 6, and 6 before" in back.problems[0]


def test_the_source_that_answers_after_a_failover_means_two_copies() -> None:
    report = failed_over(
        answer(9), answer(6, cluster="aws", at=9.0), answer(10, at=9.1), promised=5
    )
    assert "two copies run" in report.problems[0]


def test_a_move_after_a_failover_loses_nothing() -> None:
    ledger = Ledger(moves=0)
    ledger.expect("failover")
    ledger.expect("move")
    for each in (answer(9), answer(6, cluster="aws", at=9.0), answer(5, at=9.1)):
        ledger.take(each)
    (problem,) = ledger.report(monotonic=9.1).problems
    assert "counter 5, and 6 before" in problem


def test_a_client_that_heard_nothing_says_so() -> None:
    ledger = Ledger()
    ledger.fail("azure: TimeoutError")
    report = ledger.report(monotonic=1.0)
    assert report.answers == 0
    assert report.longest_gap is None
    assert report.failures == {"azure: TimeoutError": 1}


@given(
    st.lists(st.integers(1, 3), min_size=2, max_size=30),
    st.integers(1, 28),
    st.data(),
)
def test_two_running_copies_never_stay_unnoticed(
    steps: list[int], at: int, chance: st.DataObject
) -> None:
    """From any moment on a clone counts for itself, and answers come from both in any order."""
    counters = {"azure": 0, "aws": 0}
    answers = []
    for index, step in enumerate(steps):
        cloned = index >= min(at, len(steps) - 1)
        cluster = chance.draw(st.sampled_from(["azure", "aws"])) if cloned else "azure"
        counters[cluster] += step
        if not cloned:
            counters["aws"] = counters["azure"]
        answers.append(answer(counters[cluster], cluster=cluster, at=index * 0.05))
    order = [each.cluster for each in answers]
    switches = sum(first != second for first, second in pairwise(order))
    one_copy_would_do = switches <= 1 and all(
        first.counter < second.counter for first, second in pairwise(answers)
    )
    assert bool(report_of(*answers).problems) != one_copy_would_do
