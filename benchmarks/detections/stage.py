"""A real Airflow with the receiver in it, and a DAG for each policy that its faults start."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from airflow_transition.core.fault import Fault
from airflow_transition.core.health_report import FleetReport, Health
from airflow_transition.hooks.receiver_client import Call, ReceiverClient
from airflow_transition.hooks.receiver_connection import ReceiverSettings
from airflow_transition.triggers.fault_stream import WATCHING
from benchmarks.detections.agent import SimulatedAgent
from benchmarks.detections.api_server import kubernetes_connection
from lab.airflow import AirflowInstance, free_port
from lab.airflow_settings import connection_entity

GRACE = timedelta(seconds=3)
_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.05

_DAGS = '''
from pathlib import Path

from airflow.sdk import DAG, task

from airflow_transition.core.policy_files import find_policies
from airflow_transition.fault_asset import fault_watch


@task
def handle(triggering_asset_events=None):
    """Claim each fault for this run, as a failover would; a fault that is claimed is nobody's."""
    from airflow.sdk import get_current_context
    from transition_wire.heartbeat import PodCopy

    from airflow_transition.core.claim import Claim, ClaimRequest
    from airflow_transition.core.fault import Fault
    from airflow_transition.hooks.heartbeat import HeartbeatHook

    run = get_current_context()["dag_run"]
    hook, told = HeartbeatHook("transition_receiver"), []
    for events in triggering_asset_events.values():
        for event in events:
            fault = Fault.model_validate(event.extra["payload"])
            name = f"{fault.policy}-app"
            copy = PodCopy(package=name, namespace="shop", pod_labels={"app": name})
            request = ClaimRequest(
                policy=fault.policy, epoch=fault.epoch, run=f"{run.dag_id}/{run.run_id}",
                packages=(copy,), grace_seconds=fault.grace_seconds, approved=True,
            )
            given = hook.claim(fault.cluster, request)
            told.append([fault.cluster, fault.epoch, type(given).__name__])
            if isinstance(given, Claim):
                hook.end_claim(given.id, outcome="moved, and moved back")
                hook.lift_fence(fault.cluster, namespace=copy.namespace, package=name)
    return told


for policy in find_policies(Path(__file__).parent / "policies").policies:
    with DAG(
        policy.failover_dag_id,
        schedule=[fault_watch(policy)],
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
    ) as dag:
        if policy.spec.failover.mode == "Automatic":
            handle()
    globals()[policy.failover_dag_id] = dag
'''


def policy(name: str, *, clusters: Sequence[str], claims: bool) -> dict[str, Any]:
    """A policy document; `claims` says whether its DAG claims the faults that it is told of."""
    source, *targets = clusters
    repo = "https://git.example/it.git"
    return {
        "apiVersion": "transition.dcnlab.ssu.ac.kr/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": name},
        "spec": {
            "clusterSelector": {"name": source, "repo": repo, "repoType": "git"},
            "selectMode": "Specific",
            "packageSelectors": [
                {"name": f"{name}-app", "packagePath": name, "packageType": "Stateless"}
            ],
            "targetClusterPolicy": {
                "preferClusters": [{"name": each, "repoType": "git"} for each in targets]
            },
            "failover": {
                "mode": "Automatic" if claims else "Manual",
                "gracePeriodSeconds": int(GRACE.total_seconds()),
            },
        },
    }


@dataclass
class Stage:
    """Airflow, its receiver and one agent for each cluster."""

    airflow: AirflowInstance
    receiver: ReceiverClient
    agents: dict[str, SimulatedAgent] = field(default_factory=dict)
    patience: timedelta = timedelta(seconds=_PATIENCE_SECONDS)

    @property
    def receiver_url(self) -> str:
        return self.receiver.settings.base_url

    def add_agent(self, cluster: str) -> SimulatedAgent:
        """A node with a token of its own that sends every second."""
        node = f"{cluster}-node"
        body = {"cluster": cluster, "node": node}
        answer = self.receiver.send(Call("POST", f"{self.receiver_url}/tokens", body=body))
        token = json.loads(answer.content)["token"]
        agent = SimulatedAgent(self.receiver_url, token, cluster, node).start()
        self.agents[cluster] = agent
        return agent

    def fleet(self, *, after: int | None = None) -> FleetReport:
        query: dict[str, float] = {"grace_seconds": GRACE.total_seconds()}
        if after is not None:
            query |= {"after": after, "wait_seconds": 10}
        call = Call("GET", f"{self.receiver_url}/clusters", query, wait=timedelta(seconds=10))
        return FleetReport.model_validate_json(self.receiver.send(call).content)

    def wait_health(self, cluster: str, *, health: Health) -> float:
        """Until the receiver says so; the Unix time at which it did."""
        version: int | None = None
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            fleet = self.fleet(after=version)
            version = fleet.version
            for report in fleet.clusters:
                if report.cluster == cluster and all(n.health is health for n in report.nodes):
                    return time.time()
        raise TimeoutError(f"{cluster} is not {health}")

    def wait_watched(self, *, times: int = 1) -> None:
        """Until a triggerer watches the fleet, the so many-th one; its log says so."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self.times_watched() < times:
            if time.monotonic() > deadline:
                log = self.airflow.log_file("triggerer")
                raise TimeoutError(f"nothing watches the fleet; read {log}")
            time.sleep(_LOOK_SECONDS)

    def times_watched(self) -> int:
        """How often a triggerer has begun to watch the fleet."""
        log = self.airflow.log_file("triggerer")
        return log.read_text(errors="replace").count(WATCHING)

    def claims(self) -> list[dict[str, Any]]:
        """All of them, newest first."""
        found: list[dict[str, Any]] = json.loads(
            self.receiver.send(Call("GET", f"{self.receiver_url}/claims")).content
        )
        return found

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        return self.airflow.runs(dag_id)

    def wait_run(self, dag_id: str, *, after: int) -> dict[str, Any]:
        """The run that follows the first `after` ones, once it has begun.

        Before, Airflow 3.3.2 answers 500 where it is asked for the events of a run.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            runs = self.runs(dag_id)
            if len(runs) > after and runs[after]["start_date"]:
                return runs[after]
            time.sleep(_LOOK_SECONDS)
        raise TimeoutError(f"{dag_id} was not started")

    def faults(self, dag_id: str, *, run_id: str) -> list[tuple[float, Fault]]:
        """What a run was told, each with the Unix time at which the event was stored."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/upstreamAssetEvents"
        found = self.airflow.rest("GET", path)["asset_events"]
        return [
            (unix(event["timestamp"]), Fault.model_validate(event["extra"]["payload"]))
            for event in found
        ]


@contextmanager
def stage(
    folder: Path,
    *,
    policies: Sequence[Mapping[str, Any]],
    api_ports: Mapping[str, int],
    settings: Mapping[tuple[str, str], str] | None = None,
) -> Iterator[Stage]:
    """Everything up, each cluster with one agent that is heard; nothing is left running."""
    dags = folder / "dags"
    (dags / "policies").mkdir(parents=True)
    (dags / ".airflowignore").write_text("policies/\n")
    (dags / "fault_dags.py").write_text(_DAGS)
    for document in policies:
        name = document["metadata"]["name"]
        (dags / "policies" / f"{name}.yaml").write_text(yaml.safe_dump(dict(document)))
    port = free_port()
    airflow = AirflowInstance(
        folder / "airflow",
        dags_folder=dags,
        policies_folder=dags / "policies",
        connections={name: kubernetes_connection(port) for name, port in api_ports.items()},
        port=port,
        settings=settings,
    )
    login = {"login": airflow.username, "password": airflow.password}
    connection = {"conn_type": "http", "host": f"{airflow.url}/transition", **login}
    with airflow:
        entity = connection_entity("transition_receiver", connection)
        airflow.rest("POST", "connections", json=entity)
        receiver = ReceiverClient(
            ReceiverSettings(
                base_url=f"{airflow.url}/transition",
                airflow_url=airflow.url,
                username=airflow.username,
                password=airflow.password,
                ca_file=None,
                verify=True,
            )
        )
        made = Stage(airflow, receiver)
        try:
            for cluster in api_ports:
                made.add_agent(cluster)
                made.wait_health(cluster, health=Health.READY)
            for document in policies:
                airflow.wait_dag(f"failover.{document['metadata']['name']}")
            made.wait_watched()
            yield made
        finally:
            for agent in made.agents.values():
                agent.stop()
            receiver.close()


def unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
