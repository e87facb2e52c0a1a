"""A lab and an Airflow made for failovers, for tests and benchmarks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from lab import lifecycle
from lab.airflow import end_leftovers
from lab.chapters import start_airflow
from lab.description import LabSettings
from lab.failovers import HEARTBEAT_INTERVAL, Failovers
from lab.policy import FAILOVER, write_sample_policy
from lab.receiver import Receiver
from lab.story import Story

MANY = """\
    limits:
      clustersPerHour: 1000
      packagesPerHour: 1000
"""
"""For a policy's `failover`: a lab loses more clusters in an hour than anybody else."""


@contextmanager
def failover_lab(
    settings: LabSettings,
    *,
    story: Story,
    policy: str = FAILOVER + MANY,
    heap_mib: int = 0,
    interval: timedelta = HEARTBEAT_INTERVAL,
) -> Iterator[Failovers]:
    """`policy` is what the sample policy's spec has besides; all is taken down at the end."""
    with ExitStack() as stack:
        end_leftovers(settings.state / "airflow")  # of a run that was killed
        stack.callback(lifecycle.down, settings)
        lab = lifecycle.up(settings, story, heap_mib=heap_mib)
        policies = lab.state / "policies"
        write_sample_policy(lab, folder=policies, more=policy)
        companions = {"receiver": Receiver(lab)}
        airflow = start_airflow(lab, policies=policies, story=story, companions=companions)
        stack.callback(airflow.stop)
        yield Failovers.begin(lab, airflow=airflow, story=story, interval=interval)
