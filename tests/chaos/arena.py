"""One lab and one Airflow for many failovers, each from where the last one led."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import requests

from lab.airflow_rest import AirflowApi, AirflowLabError
from lab.chapters import DemoFailedError
from lab.description import CLUSTERS, LabDescription, LabSettings
from lab.failover_lab import failover_lab
from lab.failovers import Failovers, containers, now, state_of
from lab.heartbeats import wait_for_heartbeats
from lab.poller import Poller
from lab.story import Story
from tests.chaos.moments import Course, wait
from tests.chaos.scenario import Disturbance, Scenario
from tests.chaos.verdict import Verdict
from tests.chaos.victims import handle
from tests.system.ground import Ground

_PATIENCE_SECONDS = 200
"""A scheduler that was killed with its tasks is missed after 45 s, and those are tried again."""
_SETTLED_SECONDS = 25.0
_WATCHED_SECONDS = 5.0
_TRIES = 3
_INTERVAL = timedelta(milliseconds=20)
_POINTS = "restore-points/"


@contextmanager
def arena(settings: LabSettings, *, story: Story) -> Iterator["Arena"]:
    """A lab with everything that a failover needs; taken down at the end."""
    with failover_lab(settings, story=story) as failovers:
        try:
            yield Arena(failovers, story=story)
        finally:
            _keep_logs(settings)


def _keep_logs(settings: LabSettings) -> None:
    """The lab takes its folder away, and a failure can hardly be understood without them."""
    kept = settings.state.parent / "chaos-logs"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(settings.state / "logs", kept / "lab")
    shutil.copytree(settings.state / "airflow" / "logs", kept / "airflow", symlinks=True)


@dataclass
class Arena:
    failovers: Failovers
    story: Story
    home: str = CLUSTERS[0]
    """Where the package is now."""

    @property
    def lab(self) -> LabDescription:
        return self.failovers.lab

    @property
    def ground(self) -> Ground:
        return Ground(self.lab)

    @property
    def other(self) -> str:
        return next(name for name in CLUSTERS if name != self.home)

    def run(self, scenario: Scenario) -> Verdict:
        """One failover, with everything that befalls it, and the source's return."""
        source, target = self.home, self.other
        urls = {name: each.app_url for name, each in self.lab.clusters.items()}
        inside = {source: self.lab.clusters[source].netns}
        with Poller(
            urls,
            inside=inside if scenario.fault == "partition" else None,
            moves=0,
            interval=_INTERVAL,
        ) as poller:
            kept = self._prepare(poller)
            identity = state_of(self.lab, cluster=source).id
            course = self._course(target)
            poller.expect("failover")
            died = now()
            faults = self.failovers.faults(source)
            (faults.kill if scenario.fault == "kill" else faults.partition)()
            self._disturb(scenario.disturbances, course=course, source=source, target=target)
            problems = [*self._wait_ended(course, poller=poller, target=target)]
            if scenario.fault == "kill":
                faults.restore(order=scenario.return_order)
            else:
                faults.heal()
            problems += self._settled(source=source, target=target, identity=identity)
            client = poller.report()
        switch = client.switches[0] if client.switches else None
        lost = sorted(kept - set(self.ground.objects()))
        self.home = target if switch else source
        return Verdict(
            scenario,
            rto_seconds=(switch.at - died).total_seconds() if switch else None,
            problems=(*client.problems, *problems),
            lost_restore_points=tuple(lost),
        )

    def _prepare(self, poller: Poller) -> set[str]:
        """A fresh restore point, and everything well; keys of all restore points."""
        wait_for_heartbeats(self.failovers.receiver, clusters=CLUSTERS)
        poller.promise(state_of(self.lab, cluster=self.home).counter)
        self._restore_point()
        self.failovers.wait_leases(self.home)
        return {key for key in self.ground.objects() if key.startswith(_POINTS)}

    def _restore_point(self) -> None:
        """What the run before left may fail the first one; a policy makes many."""
        for _ in range(_TRIES - 1):
            with suppress(DemoFailedError, AirflowLabError, requests.RequestException):
                self.failovers.restore_point(story=self.story)
                return
        self.failovers.restore_point(story=self.story)

    def _course(self, target: str) -> Course:
        airflow = self.failovers.airflow
        return Course(
            AirflowApi(url=airflow.url, username=airflow.username, password=airflow.password),
            target=self.ground.repository(target),
            known=frozenset(self.failovers.runs()),
        )

    def _disturb(
        self, disturbances: Sequence[Disturbance], *, course: Course, source: str, target: str
    ) -> None:
        """Each victim in a thread of its own; all are up again when this returns."""
        threads = [
            threading.Thread(
                target=self._strike,
                args=(each, course),
                kwargs={"source": source, "target": target},
            )
            for each in disturbances
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _strike(
        self, disturbance: Disturbance, course: Course, *, source: str, target: str
    ) -> None:
        part = handle(disturbance.victim, failovers=self.failovers, source=source, target=target)
        if not wait(lambda: course.reached(disturbance.moment), seconds=_PATIENCE_SECONDS):
            return  # what did not come so far is told by the verdict
        time.sleep(disturbance.delay_seconds)
        part.kill()
        self.story.say(f"  killed: {disturbance}")
        time.sleep(disturbance.down_seconds)
        part.start()

    def _wait_ended(self, course: Course, *, poller: Poller, target: str) -> Iterator[str]:
        def over() -> bool:
            answered = poller.report().answered_by == target
            return course.ended() and (answered or "success" not in course.runs().values())

        over_in_time = wait(over, seconds=_PATIENCE_SECONDS)
        how = f"runs {course.runs()}, tasks {course.tasks()}"
        if "success" not in course.runs().values():
            yield f"no failover run succeeded: {how}"
        if not over_in_time or poller.report().answered_by != target:
            yield f"not over after {_PATIENCE_SECONDS} s, or {target} does not answer: {how}"

    def _settled(self, *, source: str, target: str, identity: str) -> Iterator[str]:
        """What is true once the source is back: looked at past the product."""
        with suppress(AirflowLabError, requests.RequestException):
            self.failovers.airflow.wait_healthy(deadline=time.monotonic() + 120)
        wait_for_heartbeats(self.failovers.receiver, clusters=CLUSTERS)
        # A returned kubelet starts what its store wants, behind closed doors, until it is told.
        wait(lambda: self._running(source) == 0, seconds=_SETTLED_SECONDS)
        time.sleep(_WATCHED_SECONDS)
        running = {name: self._running(name) for name in (source, target)}
        if running != {source: 0, target: 1}:
            yield f"{_SETTLED_SECONDS + _WATCHED_SECONDS} s after the return these run: {running}"
        if "replicas: 0" not in self.ground.repository(source).show():
            yield f"the repository of {source} still wants the package"
        found = _answer(lambda: state_of(self.lab, cluster=target).id)
        if found != identity:
            yield f"{target} answers with id {found}, not {identity}: it was started anew"

    def _running(self, cluster: str) -> int:
        return len(containers(self.lab, cluster=cluster))


def _answer(ask: Callable[[], str]) -> str | None:
    try:
        return ask()
    except requests.RequestException:
        return None
