"""A fault is claimed once, by one run, and not when too much would move."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from transition_wire.heartbeat import PodCopy

from airflow_transition.core.claim import Claim, ClaimRefusal, ClaimRequest, FailoverLimits
from airflow_transition.core.claims import claim_id, decide_claim, epoch_after
from airflow_transition.core.health_report import ClusterReport, FleetReport, Health, NodeReport

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GRACE = 20.0
RUN, OTHER_RUN = "failover.web/first", "failover.web/second"


def copies(*packages: str) -> tuple[PodCopy, ...]:
    return tuple(
        PodCopy(package=one, namespace="shop", pod_labels={"app": one}) for one in packages
    )


def request(*packages: str, **more: Any) -> ClaimRequest:
    usual: dict[str, Any] = {"policy": "web", "epoch": 1, "run": RUN, "grace_seconds": GRACE}
    return ClaimRequest(packages=copies(*packages or ("video",)), **(usual | more))


def claim(*packages: str, **more: Any) -> Claim:
    usual: dict[str, Any] = {
        "policy": "web",
        "cluster": "cluster1",
        "epoch": 1,
        "run": OTHER_RUN,
        "made": NOON - timedelta(minutes=10),
    }
    facts = usual | more
    name = claim_id(policy=facts["policy"], cluster=facts["cluster"], epoch=facts["epoch"])
    return Claim(id=name, packages=copies(*packages or ("video",)), **facts)


def ended(*packages: str, **more: Any) -> Claim:
    return claim(*packages, ended=NOON - timedelta(minutes=5), outcome="verified", **more)


def report(cluster: str, silent: float | None) -> ClusterReport:
    health = Health.READY if silent is not None and silent < GRACE else Health.NOT_READY
    node = NodeReport(node="n1", health=health, silent_seconds=silent, trusted=True, last_seen=NOON)
    return ClusterReport(cluster=cluster, epoch=1, nodes=(node,))


def fleet(listening: float = 900, **silences: float | None) -> FleetReport:
    clusters = tuple(report(name, silent) for name, silent in silences.items())
    return FleetReport(
        version=1, grace_seconds=GRACE, listening_seconds=listening, clusters=clusters
    )


USUAL = fleet(cluster1=21, cluster2=1, cluster3=2)


def decided(
    asked: ClaimRequest,
    *claims: Claim,
    epoch: int = 1,
    seen: FleetReport = USUAL,
    standing: dict[tuple[str, str], str] | None = None,
) -> Claim | ClaimRefusal:
    """The fences of claims that are open, or the same run's, stand."""
    fenced = {
        (copy.namespace, copy.package): one.id
        for one in claims
        for copy in one.packages
        if one.run == asked.run
    }
    return decide_claim(
        asked,
        cluster="cluster1",
        epoch=epoch,
        claims=claims,
        fleet=seen,
        now=NOON,
        fenced=fenced if standing is None else standing,
    )


def given(asked: ClaimRequest, *claims: Claim, **more: Any) -> Claim:
    answer = decided(asked, *claims, **more)
    assert isinstance(answer, Claim), answer
    return answer


def refused(asked: ClaimRequest, *claims: Claim, **more: Any) -> ClaimRefusal:
    answer = decided(asked, *claims, **more)
    assert isinstance(answer, ClaimRefusal)
    return answer


def test_the_first_run_gets_the_claim_and_it_raises_the_epoch() -> None:
    made = given(request())
    assert made.id == "web/cluster1@1"
    assert made.made == NOON
    assert epoch_after(made, epoch=1) == 2


def test_the_same_run_gets_the_same_claim_again_although_the_epoch_has_risen() -> None:
    made = given(request())
    assert given(request(), made, epoch=2) is made


def test_the_same_run_gets_its_claim_again_although_the_cluster_is_heard_by_then() -> None:
    made = given(request())
    assert given(request(), made, epoch=2, seen=fleet(cluster1=1)) is made


def test_another_run_of_the_same_fault_is_told_who_has_it() -> None:
    answer = refused(request(), claim(), epoch=2)
    assert answer.reason == "taken"
    assert answer.holder == OTHER_RUN
    assert "web/cluster1@1 was given to failover.web/second" in answer.text


def test_a_claim_that_has_ended_is_not_given_again() -> None:
    assert refused(request(), ended(), epoch=2).reason == "taken"


def test_each_policy_has_a_claim_of_its_own_and_the_second_does_not_raise_the_epoch() -> None:
    first = claim("shop", policy="other")
    made = given(request(), first, epoch=2)
    assert made.id == "web/cluster1@1"
    assert epoch_after(made, epoch=2) == 2


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_fault_of_an_epoch_that_is_over_is_refused(epoch: int) -> None:
    assert refused(request(), epoch=epoch).reason == "epoch"


def test_a_fault_of_an_epoch_that_never_was_is_refused() -> None:
    assert refused(request(epoch=7)).reason == "epoch"


def test_a_policy_that_comes_two_epochs_late_is_refused() -> None:
    first = ended("shop", policy="other")
    assert refused(request(), first, epoch=3).reason == "epoch"


def test_the_next_fault_of_the_same_cluster_is_claimed_anew() -> None:
    assert given(request(epoch=2), ended(), epoch=2).id == "web/cluster1@2"


def test_a_package_that_two_policies_name_goes_to_one_of_them() -> None:
    answer = refused(request("video", "shop"), ended("shop", policy="other"), epoch=2)
    assert answer.reason == "taken"
    assert "shop/shop: already claimed by other/cluster1@1" in answer.text
    assert answer.retry_seconds is None


def test_a_package_that_is_still_being_moved_has_to_wait() -> None:
    answer = refused(request(epoch=2), claim(), epoch=2)
    assert answer.reason == "taken"
    assert answer.retry_seconds


def test_a_plan_that_was_made_before_the_package_left_gets_no_claim_of_the_next_epoch() -> None:
    answer = decide_claim(
        request(epoch=2, approved=True),
        cluster="cluster1",
        epoch=2,
        claims=[ended()],
        fleet=USUAL,
        now=NOON,
        fenced={("shop", "video"): "web/cluster1@1"},
    )
    assert isinstance(answer, ClaimRefusal)
    assert answer.reason == "taken"
    assert answer.holder == OTHER_RUN
    assert "was taken away from cluster1 by web/cluster1@1" in answer.text


def test_a_claim_whose_fence_was_lifted_is_not_given_again() -> None:
    made = given(request())
    answer = refused(request(), made, epoch=2, standing={})
    assert answer.reason == "taken"
    assert "its fence of shop/video was lifted or taken over" in answer.text


def test_a_claim_that_another_one_took_over_is_not_given_again() -> None:
    made = given(request())
    later = {("shop", "video"): "web/cluster1@2"}
    assert refused(request(), made, epoch=3, standing=later).reason == "taken"


def test_a_failed_failover_can_be_taken_over() -> None:
    failed = claim(ended=NOON, outcome="failed: no answer")
    asked = request(epoch=2, takes_over=(failed.id,))
    standing = {("shop", "video"): failed.id}
    assert given(asked, failed, epoch=2, standing=standing).id == "web/cluster1@2"
    assert refused(request(epoch=2), failed, epoch=2, standing=standing).reason == "taken"


@pytest.mark.parametrize(
    "before", [claim(), claim(ended=NOON, outcome="restored: video on cluster2")]
)
def test_a_failover_that_goes_on_or_ended_well_is_not_taken_over(before: Claim) -> None:
    asked = request(epoch=2, takes_over=(before.id,), approved=True)
    standing = {("shop", "video"): before.id}
    assert refused(asked, before, epoch=2, standing=standing).reason == "taken"


def test_the_claim_of_a_run_that_died_holds_nobody_back_for_ever() -> None:
    dead = claim("shop", policy="other", cluster="cluster9", made=NOON - timedelta(hours=11))
    answer = refused(request(), dead)
    assert (answer.reason, "other/cluster9@1" in answer.text) == ("limit", True)
    given(request(), dead.model_copy(update={"made": NOON - timedelta(hours=12)}))


def test_while_it_is_not_known_who_is_silent_a_run_is_told_to_ask_again() -> None:
    """The receiver's own clocks differ by a moment: it has just listened for long enough."""
    node = NodeReport(
        node="n1", health=Health.UNKNOWN, silent_seconds=None, trusted=True, last_seen=NOON
    )
    seen = FleetReport(
        version=1,
        grace_seconds=GRACE,
        listening_seconds=GRACE,
        clusters=(ClusterReport(cluster="cluster1", epoch=1, nodes=(node,)),),
    )
    answer = refused(request(), seen=seen)
    assert answer.reason == "heard"
    assert answer.retry_seconds


def test_packages_of_other_clusters_may_have_the_same_names() -> None:
    limits = FailoverLimits(clusters_at_once=2)
    given(request(limits=limits), claim(policy="other", cluster="cluster9"))


def test_a_run_that_was_paused_until_the_cluster_was_heard_again_moves_nothing() -> None:
    answer = refused(request(), seen=fleet(cluster1=1, cluster2=1))
    assert answer.reason == "heard"
    assert answer.retry_seconds is None


def test_a_receiver_that_was_just_restarted_gives_no_claim_yet() -> None:
    unknown = report("cluster1", None).nodes[0].model_copy(update={"health": Health.UNKNOWN})
    seen = fleet(listening=5).model_copy(
        update={"clusters": (ClusterReport(cluster="cluster1", epoch=1, nodes=(unknown,)),)}
    )
    answer = refused(request(), seen=seen)
    assert answer.reason == "heard"
    assert answer.retry_seconds == 15


def test_more_than_the_share_of_all_clusters_at_once_asks_a_person() -> None:
    answer = refused(request(), seen=fleet(cluster1=21, cluster2=20, cluster3=2))
    assert answer.reason == "limit"
    assert answer.retry_seconds is None
    assert "2 of 3 clusters fell silent at once" in answer.text


def test_clusters_that_look_quiet_are_waited_for() -> None:
    answer = refused(request(), seen=fleet(cluster1=20, cluster2=15, cluster3=2))
    assert answer.reason == "limit"
    assert answer.retry_seconds == 1


def test_one_cluster_being_moved_holds_the_next_back() -> None:
    answer = refused(request(), claim("else", policy="other", cluster="cluster9"))
    assert answer.reason == "limit"
    assert answer.retry_seconds
    assert answer.text == (
        "2 clusters would be given up at once; the policy allows 1; not ended yet: other/cluster9@1"
    )


def test_an_ended_move_does_not_hold_the_next_back() -> None:
    given(request(), ended("else", policy="other", cluster="cluster9"))


def test_another_policy_of_the_same_cluster_is_not_another_cluster() -> None:
    given(request(), claim("else", policy="other"), epoch=2)


def test_more_clusters_within_an_hour_ask_a_person() -> None:
    past = [ended("else", policy="other", cluster=f"cluster{number}") for number in (8, 9)]
    answer = refused(request(), *past)
    assert answer.reason == "limit"
    assert answer.retry_seconds is None
    assert answer.text == "3 clusters would be given up within an hour; the policy allows 2"


def test_a_cluster_that_is_lost_over_and_over_counts_each_time() -> None:
    past = [ended(epoch=epoch) for epoch in (1, 2)]
    assert refused(request(epoch=3), *past, epoch=3).reason == "limit"


def test_what_moved_an_hour_ago_does_not_count() -> None:
    past = [
        ended("else", policy="other", cluster=f"cluster{number}", made=NOON - timedelta(hours=1))
        for number in (7, 8, 9)
    ]
    given(request(), *past)


def test_packages_are_counted_at_once_and_within_an_hour() -> None:
    at_once = FailoverLimits(packages_at_once=2)
    assert refused(request("a", "b", "c", limits=at_once)).retry_seconds is None
    assert refused(
        request("a", "b", limits=at_once), claim("else", policy="other"), epoch=2
    ).retry_seconds
    hourly = FailoverLimits(packages_per_hour=2)
    past = ended("else", policy="other")
    answer = refused(request("a", "b", limits=hourly), past, epoch=2)
    assert answer.text == "3 packages would move within an hour; the policy allows 2"


def test_what_a_person_approved_is_held_back_by_no_limit() -> None:
    busy = [claim("else", policy="other", cluster=f"cluster{number}") for number in range(2, 9)]
    given(request(approved=True), *busy, seen=fleet(cluster1=21, cluster2=22, cluster3=23))


def test_what_a_person_approved_still_needs_the_epoch_and_the_claim() -> None:
    assert refused(request(approved=True), epoch=2).reason == "epoch"
    assert refused(request(approved=True), claim(), epoch=2).reason == "taken"


def test_a_step_of_the_clock_does_not_forget_what_moved() -> None:
    past = [
        ended("else", policy="other", cluster=f"cluster{number}", made=NOON + timedelta(seconds=30))
        for number in (8, 9)
    ]
    assert refused(request(), *past).reason == "limit"
