"""A cluster is cut off and goes on: clients on both sides look for two copies every 20 ms."""

import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from lab.chapters import follow, wait_for_answers
from lab.description import CLUSTERS
from lab.failover_lab import MANY, failover_lab
from lab.failovers import FAILOVER_DAG, Failovers, containers, now, state_of
from lab.heartbeats import wait_for_heartbeats
from lab.ledger import Report
from lab.policy import FAILOVER, write_sample_policy
from lab.poller import Poller
from lab.story import Story
from tests.own_lab import settings_for

WITHOUT_LEASE = """\
  failover:
    gracePeriodSeconds: 3
"""
_EVERY = timedelta(milliseconds=20)
_WATCHED_SECONDS = 8.0
_FENCED_WITHIN = timedelta(seconds=4)
"""A heartbeat each second tells the returned agent of the fence; it closes the pods at once."""
_STORY = Story()


@pytest.fixture(scope="module")
def failovers() -> Iterator[Failovers]:
    settings = settings_for("partition")
    with failover_lab(settings, story=_STORY, policy=WITHOUT_LEASE + MANY) as failovers:
        yield failovers


@dataclass(frozen=True)
class Seen:
    """What the clients were told in a partition of `source`."""

    report: Report
    answers: list[dict[str, Any]]
    healed: datetime
    identity: str

    def last_of(self, cluster: str) -> datetime:
        times = [each["wall"] for each in self.answers if each["cluster"] == cluster]
        return datetime.fromisoformat(times[-1])

    def first_of(self, cluster: str) -> datetime:
        return next(
            datetime.fromisoformat(each["wall"])
            for each in self.answers
            if each["cluster"] == cluster
        )


def partitioned(failovers: Failovers, *, source: str, target: str) -> Seen:
    """Cut `source` off until its packages run on `target`, then let it return."""
    lab, record = failovers.lab, io.StringIO()
    urls = {name: each.app_url for name, each in lab.clusters.items()}
    inside = {source: lab.clusters[source].netns}
    known, faults = failovers.runs(), failovers.faults(source)
    with Poller(urls, inside=inside, moves=0, interval=_EVERY, record=record) as poller:
        wait_for_answers(poller, cluster=source)
        identity = state_of(lab, cluster=source).id
        poller.expect("failover")
        faults.partition()
        run_id = failovers.wait_run(beside=known)
        follow(failovers.airflow, FAILOVER_DAG, run_id=run_id, story=_STORY)
        wait_for_answers(poller, cluster=target)
        healed = now()
        faults.heal()
        time.sleep(_WATCHED_SECONDS)
    answers = [json.loads(line) for line in record.getvalue().splitlines()]
    return Seen(poller.report(), answers=answers, healed=healed, identity=identity)


@pytest.mark.timeout(900)
def test_with_a_lease_two_copies_never_answer_and_without_not_after_the_return(
    failovers: Failovers,
) -> None:
    home, away = CLUSTERS
    failovers.restore_point(story=_STORY)
    seen = partitioned(failovers, source=home, target=away)
    assert_one_copy_after_the_return(failovers, seen, source=home, target=away)

    give_leases(failovers, home=away)
    seen = partitioned(failovers, source=away, target=home)
    assert seen.report.problems == (), "never two copies, on either side of the partition"
    assert seen.last_of(away) < seen.first_of(home)
    assert_one_copy_after_the_return(failovers, seen, source=away, target=home)


def give_leases(failovers: Failovers, *, home: str) -> None:
    """Change the policy as a person does; the next checkpoint gives the lease."""
    write_sample_policy(
        failovers.lab, folder=failovers.lab.state / "policies", more=FAILOVER + MANY
    )
    wait_for_heartbeats(failovers.receiver, clusters=CLUSTERS)
    for _ in range(6):
        failovers.restore_point(story=_STORY)
        if failovers.receiver.leases(home):
            break
    failovers.wait_leases(home)


def assert_one_copy_after_the_return(
    failovers: Failovers, seen: Seen, *, source: str, target: str
) -> None:
    assert seen.last_of(source) < seen.healed + _FENCED_WITHIN
    assert [len(containers(failovers.lab, cluster=name)) for name in (source, target)] == [0, 1]
    assert state_of(failovers.lab, cluster=target).id == seen.identity
