"""Seconds beyond the grace period, from a cluster's last heartbeat to its failover DAG's run.

A real Airflow with the receiver in its API server, on SQLite as in the lab, and two clusters whose
agents send every second; the grace period is 3 s. The API server of one refuses connections, that
of the other drops packets; in each round both clusters fall silent twice, one after the other. The
last heartbeat counts from when the agent began to send it, which is before the receiver has it: so
the figure is rather too high, and a negative one is a fault that was told too early.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow_transition.core.health_report import Health
from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from benchmarks.detections.api_server import dropping, refusing
from benchmarks.detections.stage import GRACE, Stage, policy, stage, unix

_CLUSTERS = ("refusing", "dropping")
_FAULTS = 2
"""Of each cluster in a round."""


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    policies = [policy(f"of-{name}", clusters=[name], claims=False) for name in _CLUSTERS]
    with TemporaryDirectory() as folder, refusing() as refused, dropping() as dropped:
        ports = {"refusing": refused, "dropping": dropped}
        progress.say("starting Airflow on SQLite, with the receiver in it")
        with stage(Path(folder), policies=policies, api_ports=ports) as made:
            progress.say("one fault that is not counted, as the first one in any process")
            _fault(made, cluster="refusing")
            yield lambda: _round(made, progress=progress)


def _round(made: Stage, *, progress: Progress) -> Sample:
    faults = []
    for cluster in _CLUSTERS * _FAULTS:
        fault = _fault(made, cluster=cluster)
        progress.say(f"{cluster}: {fault['run created, s']:.2f} s")
        faults.append(fault)
    return Sample(
        statistics.median(fault["run created, s"] for fault in faults),
        {
            **{label: statistics.median(fault[label] for fault in faults) for label in faults[0]},
            "earliest, s": min(fault["run created, s"] for fault in faults),
            "latest, s": max(fault["run created, s"] for fault in faults),
        },
    )


def _fault(made: Stage, *, cluster: str) -> Mapping[str, float]:
    """Let a cluster fall silent and speak again; the moments, after the grace period's end."""
    dag_id = f"failover.of-{cluster}"
    before = len(made.runs(dag_id))
    time.sleep(random.uniform(1.5, 2.5))  # noqa: S311 - to meet the triggerer's loop anywhere
    ends = made.agents[cluster].fall_silent() + GRACE.total_seconds()
    seen = made.wait_health(cluster, health=Health.NOT_READY)
    run = made.wait_run(dag_id, after=before)
    ((stored, fault),) = made.faults(dag_id, run_id=run["dag_run_id"])
    made.agents[cluster].speak()
    made.wait_health(cluster, health=Health.READY)
    created = unix(run["queued_at"]) - ends
    if created < 0:
        raise AssertionError(f"{cluster} was given up {-created:.3f} s before its time")
    return {
        "receiver says NotReady, s": seen - ends,
        "trigger told, s": fault.seen.timestamp() - ends,
        "event stored, s": stored - ends,
        "run created, s": created,
    }


BENCHMARK = Benchmark(unit="s", bar=AtMost(1.0), prepare=prepare)
