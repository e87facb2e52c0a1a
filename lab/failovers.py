"""Failovers in a lab, driven and timed: what demo, tests and benchmark have in common."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import requests

from lab import video
from lab.airflow import AirflowInstance
from lab.chapters import AppState, Part, follow
from lab.client import wait_for
from lab.description import LabDescription
from lab.faults import ClusterFaults
from lab.heartbeats import enroll
from lab.ledger import Switch
from lab.node import Node
from lab.receiver import ReceiverClient
from lab.services.all import services_of
from lab.services.s3_server import S3Server
from lab.story import Story

POLICY = "clusterpolicy-sample"
CHECKPOINT_DAG = f"checkpoint.{POLICY}.{video.PACKAGE}.my-test-backup"
FAILOVER_DAG = f"failover.{POLICY}"
FAILBACK_DAG = f"failback.{POLICY}"
DAGS = (CHECKPOINT_DAG, FAILOVER_DAG, FAILBACK_DAG)

HEARTBEAT_INTERVAL = timedelta(seconds=1)
_RUN_SECONDS = 60.0


class Phases(Part):
    """Seconds of a failover, from the fault to the first answer; they add up to the RTO."""

    detect: float
    """From the fault to the event that tells of it."""
    run_created: float
    plan: float
    """From the run's creation to the plan's end."""
    promote: float
    """Fencing, commit and sync, with the gap before them."""
    restore: float
    """From the promotion's end to the first answer: the target pulls and restores meanwhile."""

    @property
    def rto(self) -> float:
        return self.detect + self.run_created + self.plan + self.promote + self.restore


@dataclass(frozen=True)
class Failovers:
    """One lab and one Airflow with the sample policy, whose agents send heartbeats."""

    lab: LabDescription
    airflow: AirflowInstance
    receiver: ReceiverClient

    @classmethod
    def begin(
        cls,
        lab: LabDescription,
        *,
        airflow: AirflowInstance,
        story: Story,
        interval: timedelta = HEARTBEAT_INTERVAL,
    ) -> "Failovers":
        """Let the agents send heartbeats, and switch the policy's DAGs on."""
        with story.step("tokens for the agents, and their first heartbeats"):
            receiver = enroll(lab, airflow=airflow, interval=interval)
        for dag_id in DAGS:
            airflow.wait_dag(dag_id)
        for dag_id in DAGS:
            airflow.unpause(dag_id)
        return cls(lab, airflow=airflow, receiver=receiver)

    def faults(self, cluster: str) -> ClusterFaults:
        return ClusterFaults(self.lab, cluster=cluster)

    def restore_point(self, *, story: Story) -> str:
        """Make one by hand; its id."""
        run_id = self.airflow.trigger(CHECKPOINT_DAG, conf={})
        follow(self.airflow, CHECKPOINT_DAG, run_id=run_id, story=story)
        recorded = self.airflow.xcom(CHECKPOINT_DAG, run_id=run_id, task_id="record")
        return str(recorded["id"])

    def runs(self) -> list[str]:
        """Of the failover DAG, newest last."""
        return [str(run["dag_run_id"]) for run in self.airflow.runs(FAILOVER_DAG)]

    def wait_run(self, *, beside: Iterable[str], seconds: float = _RUN_SECONDS) -> str:
        """The failover run that begins; `beside` those that are known."""
        known = set(beside)

        def new() -> str | None:
            return next((run for run in self.runs() if run not in known), None)

        return wait_for(new, what=f"a run of {FAILOVER_DAG}", seconds=seconds)

    def wait_leases(self, cluster: str, *, seconds: float = 60) -> None:
        """Until the kernel of the cluster's node enforces the package's lease."""

        def enforced() -> bool:
            return bool(self.receiver.leases(cluster)) and is_leased(self.lab, cluster=cluster)

        wait_for(enforced, what=f"{video.PACKAGE} has a lease on {cluster}", seconds=seconds)

    def transition(self, claim: str) -> dict[str, Any]:
        """The whole story of a failover, as it lies in S3."""
        return cast("dict[str, Any]", self._read(f"transitions/{claim}.json"))

    def images(self, restore_point: str) -> list[str]:
        """By digest, one for each container."""
        return [str(each["image"]) for each in self._read(f"{restore_point}.json")["containers"]]

    def phases(self, run_id: str, *, fault: datetime, switch: Switch) -> Phases:
        """Where the time of a failover went; `switch` is what the client saw."""
        run = self.airflow.rest("GET", f"dags/{FAILOVER_DAG}/dagRuns/{run_id}")
        created = _time(run["queued_at"] or run["start_date"])
        ends = self._ends(run_id)
        event = min(self._event(run_id) or created, created)
        return Phases(
            detect=_seconds(fault, event),
            run_created=_seconds(event, created),
            plan=_seconds(created, ends["plan"]),
            promote=_seconds(ends["plan"], ends["promote"]),
            restore=_seconds(ends["promote"], switch.at),
        )

    def _ends(self, run_id: str) -> dict[str, datetime]:
        found = self.airflow.rest(
            "GET", f"dags/{FAILOVER_DAG}/dagRuns/{run_id}/taskInstances?limit=100"
        )
        tasks = found["task_instances"]
        return {task["task_id"]: _time(task["end_date"]) for task in tasks if task["end_date"]}

    def _event(self, run_id: str) -> datetime | None:
        """When the event that made the run was taken; None: it was started by hand."""
        path = f"dags/{FAILOVER_DAG}/dagRuns/{run_id}/upstreamAssetEvents"
        events = self.airflow.rest("GET", path)["asset_events"]
        return min((_time(event["timestamp"]) for event in events), default=None)

    def _read(self, key: str) -> Any:
        (s3,) = (each for each in services_of(self.lab) if isinstance(each, S3Server))
        body = s3.client().get_object(Bucket=self.lab.s3.bucket, Key=key)["Body"]
        return json.loads(body.read())


def is_leased(lab: LabDescription, *, cluster: str) -> bool:
    """Whether rules of the agent are in the kernel of the cluster's node."""
    return "transition" in Node.of(lab, cluster=cluster).run("nft", "list", "tables")


def containers(lab: LabDescription, *, cluster: str) -> list[str]:
    """Names of the application's containers that really run on the node."""
    listed = Node.of(lab, cluster=cluster).run("podman", "ps", "--format", "{{.Names}}").split()
    mark = f"_{video.CONTAINER}"
    return [each for each in listed if each.startswith(video.NAMESPACE) and mark in each]


def state_of(lab: LabDescription, *, cluster: str) -> AppState:
    """What the application says of itself; counts nothing."""
    answer = requests.get(f"{lab.clusters[cluster].app_url}/state", timeout=5).json()
    return AppState(
        id=answer["id"], counter=int(answer["counter"]), position=float(answer["position"])
    )


def now() -> datetime:
    return datetime.now(UTC)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _seconds(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds(), 3)
