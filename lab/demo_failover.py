"""A cluster dies under load, and its process goes on elsewhere from its last restore point.

Then the cluster comes back and nothing starts twice; and one DAG run moves the process home.
"""

import argparse
import random
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lab import video
from lab.airflow import AirflowInstance
from lab.chapters import (
    AppState,
    DemoFailedError,
    Part,
    Section,
    TaskCost,
    airflow_rows,
    costs,
    follow,
    perform,
    setup_section,
    start_airflow,
    stay,
    stop_airflow,
    tasks_section,
    tell,
    wait_for_answers,
    waited,
)
from lab.description import CLUSTERS, LabDescription, LabSettings
from lab.failovers import (
    FAILBACK_DAG,
    FAILOVER_DAG,
    Failovers,
    Phases,
    containers,
    now,
    state_of,
)
from lab.faults import PARTS
from lab.ledger import Report
from lab.lifecycle import up
from lab.policy import FAILOVER, write_sample_policy
from lab.poller import Poller
from lab.receiver import Receiver
from lab.story import Story

SOURCE, TARGET = CLUSTERS
_WATCHED = timedelta(seconds=10)
"""How long the returned cluster is looked at: its parts are up after two."""


class FailoverReport(Part):
    """The figures that the closing table and the system test read."""

    before: AppState
    """The last that was heard of the process before its cluster died."""
    restored: AppState
    after: AppState
    """Back home."""
    client: Report
    restore_point: str
    claim: str
    story: dict[str, Any]
    """The plan, what was done and how it ended, as the product keeps it."""
    phases: Phases
    rto_seconds: float
    rpo_seconds: float
    """Age of the restore point when the cluster died."""
    returned_order: tuple[str, ...]
    """In which the parts of the cluster came back."""
    containers_after_return: tuple[str, ...]
    """Of the application, on the cluster that came back."""
    fences: list[dict[str, Any]]
    airflow_url: str
    failover_tasks: tuple[TaskCost, ...]
    failback_tasks: tuple[TaskCost, ...]


def run(*, once: bool, report_file: Path | None = None) -> int:
    """The whole demo; the exit status. Everything is taken down at the end, whatever happens."""

    def play(settings: LabSettings, story: Story) -> None:
        lab = up(settings, story)
        policies = lab.state / "policies"
        write_sample_policy(lab, folder=policies, more=FAILOVER)
        companions = {"receiver": Receiver(lab)}
        airflow = start_airflow(lab, policies=policies, story=story, companions=companions)
        try:
            report = _Demo(lab, airflow=airflow, story=story).play()
            _tell(report, airflow=airflow, story=story)
            if report_file is not None:
                report_file.write_text(report.model_dump_json(indent=2))
            stay(story, once=once)
        finally:
            stop_airflow(airflow, story=story)

    return perform(play, once=once)


class _Demo:
    """The chapters, in their order."""

    def __init__(self, lab: LabDescription, *, airflow: AirflowInstance, story: Story) -> None:
        self._lab, self._airflow, self._story = lab, airflow, story
        self._failovers = Failovers.begin(lab, airflow=airflow, story=story)
        self._source = self._failovers.faults(SOURCE)

    def play(self) -> FailoverReport:
        urls = {name: cluster.app_url for name, cluster in self._lab.clusters.items()}
        with Poller(urls, moves=0) as poller:
            wait_for_answers(poller, cluster=SOURCE)
            self._restore_point(poller)
            before, died = self._kill(poller)
            run_id = self._failover(poller)
            switch = poller.report().switches[0]
            restored = state_of(self._lab, cluster=TARGET)
            story = self._kept(run_id)
            phases = self._failovers.phases(run_id, fault=died, switch=switch)
            order = self._bring_back()
            left = self._watch(poller)
            fences = self._failovers.receiver.fences(story["plan"]["id"])
            failback = self._fail_back(poller)
            after = state_of(self._lab, cluster=SOURCE)
        (package,) = story["plan"]["packages"]
        made = datetime.fromisoformat(package["created"])
        report = FailoverReport(
            before=before,
            restored=restored,
            after=after,
            client=poller.report(),
            restore_point=package["restore_point"],
            claim=story["plan"]["id"],
            story=story,
            phases=phases,
            rto_seconds=round((switch.at - died).total_seconds(), 3),
            rpo_seconds=round((died - made).total_seconds(), 3),
            returned_order=order,
            containers_after_return=left,
            fences=fences,
            airflow_url=self._airflow.url,
            failover_tasks=costs(self._airflow, FAILOVER_DAG, run_id=run_id),
            failback_tasks=costs(self._airflow, FAILBACK_DAG, run_id=failback),
        )
        _prove(report)
        return report

    def _restore_point(self, poller: Poller) -> None:
        """By hand; the schedule may make a newer one before the cluster dies."""
        poller.promise(state_of(self._lab, cluster=SOURCE).counter)
        with self._story.step("a restore point of video"):
            self._failovers.restore_point(story=self._story)
        with self._story.step("the lease of video, enforced by the node's kernel"):
            self._failovers.wait_leases(SOURCE)

    def _kill(self, poller: Poller) -> tuple[AppState, datetime]:
        wait_for_answers(poller, cluster=SOURCE)
        before = state_of(self._lab, cluster=SOURCE)
        self._say(f"{SOURCE} answers: id {before.id}, counter {before.counter}")
        poller.expect("failover")
        died = now()
        self._source.kill()
        self._say(f"{SOURCE} is dead: node, network and API server at once; the client goes on")
        return before, died

    def _failover(self, poller: Poller) -> str:
        runs = self._failovers.runs()
        with self._story.step("waiting for the heartbeats' absence to start a failover run"):
            run_id = self._failovers.wait_run(beside=runs)
        self._say(f"run {run_id} of {FAILOVER_DAG}: nobody started it")
        with self._story.step("the failover run"):
            follow(self._airflow, FAILOVER_DAG, run_id=run_id, story=self._story)
        wait_for_answers(poller, cluster=TARGET)
        return run_id

    def _kept(self, run_id: str) -> dict[str, Any]:
        (plan,) = self._airflow.xcom(FAILOVER_DAG, run_id=run_id, task_id="plan")["plans"]
        story = self._failovers.transition(plan["id"])
        for line in story["plan"]["evidence"]:
            self._say(f"  evidence: {line}")
        for step in story["promoted"]["fencing"]:
            self._say(f"  fencing by {step['way']}: {step['text']}")
        self._say(f"  decision: {story['promoted']['decision']}")
        return story

    def _bring_back(self) -> tuple[str, ...]:
        order = random.sample(PARTS, len(PARTS))
        with self._story.step(f"{SOURCE} boots again: {', '.join(order)}"):
            self._source.restore(order=order)
        return tuple(order)

    def _watch(self, poller: Poller) -> tuple[str, ...]:
        """Look whether anything starts twice."""
        with self._story.step(f"looking at {SOURCE} for {_WATCHED.total_seconds():g} s"):
            deadline = time.monotonic() + _WATCHED.total_seconds()
            while time.monotonic() < deadline:
                _no_problems(poller.report())
                time.sleep(0.2)
        return tuple(containers(self._lab, cluster=SOURCE))

    def _fail_back(self, poller: Poller) -> str:
        poller.expect("move")
        conf = {"package": video.PACKAGE}
        with self._story.step("the failback run"):
            run_id = self._airflow.trigger(FAILBACK_DAG, conf=conf)
            follow(self._airflow, FAILBACK_DAG, run_id=run_id, story=self._story)
        wait_for_answers(poller, cluster=SOURCE)
        return run_id

    def _say(self, text: str) -> None:
        self._story.say(text)


def _no_problems(client: Report) -> None:
    if client.problems:
        raise DemoFailedError("; ".join(("the polling client saw", *client.problems)))


def _prove(report: FailoverReport) -> None:
    """The promises of the demo; each that does not hold is an error."""
    for name, state in (("restored", report.restored), ("back home", report.after)):
        if state.id != report.before.id:
            raise DemoFailedError(
                f"{name} is another process: id {state.id}, not {report.before.id}"
            )
    if report.containers_after_return:
        raise DemoFailedError(f"{SOURCE} started it again: {report.containers_after_return}")
    if report.after.counter <= report.restored.counter:
        raise DemoFailedError(f"the counter went back on the way home: {report}")
    _no_problems(report.client)


def _tell(report: FailoverReport, *, airflow: AirflowInstance, story: Story) -> None:
    lost = report.client.switches[0]
    phases = [(name, f"{took:8.2f} s") for name, took in report.phases.model_dump().items()]
    sections: list[Section] = [
        setup_section(story),
        (
            f"from the death of {SOURCE} to the first answer of {TARGET} (RTO)",
            [*phases, ("RTO", f"{report.rto_seconds:8.2f} s")],
        ),
        (
            "what was lost (RPO)",
            [
                ("age of the restore point when it died", f"{report.rpo_seconds:.1f} s"),
                ("counter", f"{lost.counter_before} -> {lost.counter_after}"),
                ("playback position", f"{lost.position_before} s -> {lost.position_after} s"),
            ],
        ),
        tasks_section(FAILOVER_DAG, report.failover_tasks),
        tasks_section(FAILBACK_DAG, report.failback_tasks),
        (
            "the proof",
            [
                ("in-memory id", f"{report.before.id} = {report.restored.id} = {report.after.id}"),
                (
                    f"containers on {SOURCE} after its return ({', '.join(report.returned_order)})",
                    str(len(report.containers_after_return)),
                ),
                ("answers from two copies", str(len(report.client.problems))),
                ("client kept waiting on the way home", waited(report.client, switch=1)),
            ],
        ),
        (
            "where to look",
            [
                *airflow_rows(airflow),
                ("the failover's claim", report.claim),
                ("its story in S3", f"transitions/{report.claim}.json"),
                ("promotion commit", str(report.story["promoted"]["commit"])),
                ("restore point", report.restore_point),
            ],
        ),
    ]
    tell(sections, story=story)


def main() -> int:
    """`python -m lab.demo_failover [--once] [--report FILE]`."""
    parser = argparse.ArgumentParser(prog="lab.demo_failover", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end by itself, also on a terminal")
    parser.add_argument("--report", type=Path, help="write what was seen to this file, as JSON")
    chosen = parser.parse_args()
    return run(once=chosen.once, report_file=chosen.report)


if __name__ == "__main__":
    sys.exit(main())
