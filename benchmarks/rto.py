"""From a cluster's death to the first answer elsewhere, with 1 GiB of heap.

As in `make demo-failover`: a heartbeat every second, 3 s of grace, a lease of 2 s. The restore
point's image is made, and staged on the target: its layers lie on the node and nothing started
them. Each round goes the other way.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bench import AtMost, Benchmark, Progress, Sample
from lab.chapters import follow, wait_for_answers
from lab.description import CLUSTERS, LabSettings
from lab.failover_lab import failover_lab
from lab.failovers import FAILOVER_DAG, Failovers, now, state_of
from lab.heartbeats import wait_for_heartbeats
from lab.poller import Poller
from lab.staging import stage
from lab.story import Story

_HEAP_MIB = 1024


@contextmanager
def prepare(progress: Progress) -> Iterator[Callable[[], Sample]]:
    story = Story(write=progress.say)
    with TemporaryDirectory(prefix="rto-bench-") as folder:
        settings = LabSettings(
            name="rto", subnet=IPv4Network("10.87.201.0/24"), state=Path(folder) / "lab"
        )
        with failover_lab(settings, story=story, heap_mib=_HEAP_MIB) as failovers:
            rounds = _Rounds(failovers, story=story)
            yield rounds.measure


class _Rounds:
    def __init__(self, failovers: Failovers, *, story: Story) -> None:
        self._failovers, self._story = failovers, story
        self._source, self._target = CLUSTERS

    def measure(self) -> Sample:
        """One failover, and the way back to where the next one begins: on the other side."""
        lab, source, target = self._failovers.lab, self._source, self._target
        wait_for_heartbeats(self._failovers.receiver, clusters=CLUSTERS)
        identity = state_of(lab, cluster=source).id
        point = self._failovers.restore_point(story=self._story)
        images = self._failovers.images(point)
        with self._story.step(f"staging {len(images)} image on {target}"):
            stage(lab, cluster=target, images=images)
            os.sync()  # it was staged long ago: the restore does not wait for these writes
        self._failovers.wait_leases(source)
        known = self._failovers.runs()
        urls = {name: each.app_url for name, each in lab.clusters.items()}
        faults = self._failovers.faults(source)
        with Poller(urls, moves=0) as poller:
            wait_for_answers(poller, cluster=source)
            poller.expect("failover")
            died = now()
            faults.kill()
            run_id = self._failovers.wait_run(beside=known)
            follow(self._failovers.airflow, FAILOVER_DAG, run_id=run_id, story=self._story)
            wait_for_answers(poller, cluster=target, seconds=120)
        client = poller.report()
        assert not client.problems, client.problems
        assert state_of(lab, cluster=target).id == identity
        phases = self._failovers.phases(run_id, fault=died, switch=client.switches[0])
        faults.restore()
        self._source, self._target = target, source
        steps = {f"{name}, s": seconds for name, seconds in phases.model_dump().items()}
        return Sample(figure=phases.rto, breakdown=steps)


BENCHMARK = Benchmark(unit="s", bar=AtMost(15), prepare=prepare)
