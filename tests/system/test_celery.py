"""A move under CeleryExecutor, with two workers on two machines, one of which dies in its middle.

PostgreSQL keeps Airflow's state, Redis the queue. The machine of the worker that has the move's
`image` task goes with everything on it, and the other one carries the move to its end. In the
clusters the move has the rights of the roles that are shipped, and no other.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from lab import agents, video, workers
from lab.airflow import AirflowInstance, free_port
from lab.api.roles import SOURCE_USER, TARGET_USER
from lab.client import Client
from lab.connections import connections_of
from lab.description import LabDescription
from lab.network import WORKERS, host_address
from lab.services.postgresql import PostgreSql
from lab.services.redis_server import RedisServer
from lab.workers import Worker, executor
from tests.own_lab import ROOT
from tests.system.ground import SOURCE, TARGET, wait_until
from tests.system.outcome import assert_moved
from tests.system.stage import MIGRATE_DAG, Stage, write_policy

pytestmark = pytest.mark.timeout(600)

MOVE = {"package": video.PACKAGE, "target": "automatic", "dry_run": False}
QUICKER = {
    ("scheduler", "task_instance_heartbeat_timeout"): "20",
    ("scheduler", "task_instance_heartbeat_timeout_detection_interval"): "2",
}
"""A task whose worker is gone is noticed sooner."""


@dataclass(frozen=True)
class Site:
    """The stage, and the workers by the name of their host."""

    stage: Stage
    workers: dict[str, Worker]
    broker: RedisServer

    def lose(self, host: str) -> None:
        """As a machine's power fails."""
        worker = self.workers[host]
        self.stage.airflow.kill_component(name_of(worker))
        worker.leave()

    def tries(self, run_id: str, *, task_id: str) -> list[dict[str, Any]]:
        path = f"dags/{MIGRATE_DAG}/dagRuns/{run_id}/taskInstances/{task_id}/tries"
        found: list[dict[str, Any]] = self.stage.airflow.rest("GET", path)["task_instances"]
        return found

    def host_of(self, run_id: str, *, task_id: str) -> str:
        """Where the task runs now."""
        last = self.tries(run_id, task_id=task_id)[-1]
        return str(last["hostname"])

    def tells_password(self) -> list[str]:
        """Logs and command lines that have the broker's password."""
        word = self.broker.password.encode()
        logs = (self.stage.airflow.state_dir / "logs").rglob("*.log")
        lines = Path("/proc").glob("[0-9]*/cmdline")
        return [str(file) for file in (*logs, *lines) if word in content(file)]


@pytest.fixture
def site(
    lab: LabDescription, tmp_path: Path, pytestconfig: pytest.Config, say: Callable[[str], None]
) -> Iterator[Site]:
    broker = workers.broker(lab)
    broker.start()
    broker.wait_ready()
    each = [Worker(lab, number=number, broker=broker) for number in WORKERS]
    try:
        for worker in each:
            worker.join()
        with PostgreSql() as database, airflow_of(lab, workers=each, database=database) as airflow:
            airflow.wait_dag(MIGRATE_DAG)
            airflow.unpause(MIGRATE_DAG)
            stage = Stage(lab=lab, airflow=airflow, say=say)
            yield Site(stage, {worker.host: worker for worker in each}, broker)
    finally:
        for worker in each:
            worker.leave()
        broker.stop()


def airflow_of(
    lab: LabDescription, *, workers: list[Worker], database: PostgreSql
) -> AirflowInstance:
    home = lab.state / "airflow-celery"
    write_policy(lab, folder=home / "policies")
    return AirflowInstance(
        home,
        dags_folder=ROOT / "dags",
        policies_folder=home / "policies",
        connections={**connections_of(lab), **shipped_users(lab)},
        host=host_address(lab),
        port=free_port(),
        database_url=database.create_database("airflow"),
        settings={**executor(workers[0].broker), **QUICKER},
        components=("api-server", "scheduler", "dag-processor"),
        companions={name_of(worker): worker for worker in workers},
    )


def shipped_users(lab: LabDescription) -> dict[str, dict[str, Any]]:
    """The clusters' connections: with the roles that are shipped, and with no file of a disk."""
    made = {}
    for name, user in ((SOURCE, SOURCE_USER), (TARGET, TARGET_USER)):
        config = json.loads(lab.clusters[name].kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token_of(lab, cluster=name, user=user)}
        extra = {"kube_config": json.dumps(config)}
        made[name] = {"conn_type": "kubernetes", "extra": extra}
    return made


def token_of(lab: LabDescription, *, cluster: str, user: str) -> str:
    tokens = json.loads((lab.clusters[cluster].kubeconfig.with_name("tokens.json")).read_text())
    return str(tokens[user])


def may_not_list_secrets(lab: LabDescription) -> bool:
    """The token that moved it is refused what its roles do not grant."""
    client = Client(lab, cluster=SOURCE)
    token = token_of(lab, cluster=SOURCE, user=SOURCE_USER)
    client.session.headers["Authorization"] = f"Bearer {token}"
    return client.call("GET", "/api/v1/secrets").status_code == requests.codes.forbidden


def name_of(worker: Worker) -> str:
    return f"worker-{worker.number}"


def content(file: Path) -> bytes:
    """Empty where it is gone."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_a_move_with_the_shipped_roles_goes_on_when_the_machine_of_a_worker_is_lost(
    site: Site, image: str, tmp_path: Path
) -> None:
    stage = site.stage
    stage.deploy(image=image, scratch=tmp_path)
    process = stage.state(SOURCE)["id"]
    with stage.poller() as poller:
        stage.until_answered(poller, cluster=SOURCE)
        agents.agent_of(stage.lab, cluster=SOURCE).kill()  # so that `image` has to wait
        run_id = stage.airflow.trigger(MIGRATE_DAG, conf=MOVE)
        wait_until(
            lambda: stage.task_states(run_id)["image"][0] == "running",
            what=f"a worker waits for the archive; {stage.task_states(run_id)}",
            seconds=180,
            pause=0.1,
        )
        lost = site.host_of(run_id, task_id="image")
        assert site.tells_password() == []
        site.lose(lost)
        agents.start_one(stage.lab, cluster=SOURCE)
        assert stage.finish(run_id, poller=poller) == "success"
        stage.until_answered(poller, cluster=TARGET)
        client = poller.report()

    assert_moved(stage, run_id=run_id, process=process, client=client)
    assert may_not_list_secrets(stage.lab)
    hosts = [each["hostname"] for each in site.tries(run_id, task_id="image")]
    assert (hosts[0], {*hosts[1:]}) == (lost, set(site.workers) - {lost})
