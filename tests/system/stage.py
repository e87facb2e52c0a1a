"""The stage of the system tests: one lab, one Airflow, and the package `video` on the source."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import requests

from lab import video
from lab.airflow import AirflowInstance
from lab.client import Client, wait_for
from lab.description import CLUSTERS, LabDescription
from lab.poller import Poller
from lab.timeline import spans_of, table
from tests.system.ground import SOURCE, TARGET, Ground, wait_until

POLICY = "system"
CHECKPOINT_DAG = f"checkpoint.{POLICY}.{video.PACKAGE}.by-hand"
MIGRATE_DAG = f"migrate.{POLICY}"
RETENTION_DAG = f"retention.{POLICY}"
EXAMPLES = (
    "example_doctor",
    "example_door",
    "example_move",
    "example_pin",
    "example_restore_point",
    "example_retention",
)

_POLICY = """\
apiVersion: transition.dcnlab.ssu.ac.kr/v1
kind: ClusterPolicy
metadata:
  name: {name}
spec:
  clusterSelector:
    name: {source}
    repo: {repo}
    repoType: git
  selectMode: Specific
  packageSelectors:
    - name: {package}
      packagePath: {package}
      packageType: Stateful
      liveStatePackage: true
      backupInformation:
        - name: by-hand
          backupType: Manual
  targetClusterPolicy:
    preferClusters:
      - name: {target}
        repoType: git
        weight: 100
"""


@dataclass(frozen=True)
class Stage(Ground):
    """What tests ask of it; whatever they changed, `deploy` makes good."""

    airflow: AirflowInstance
    say: Callable[[str], None]
    """Takes figures that are shown at the end of the test run."""

    def deploy(self, *, image: str, scratch: Path, heap_mib: int = 0) -> None:
        """A new process on the source, nothing on the target, every door open."""
        for cluster in CLUSTERS:
            self.repository(cluster).put({}, folder=scratch / cluster, message="Start anew")
        for cluster in CLUSTERS:
            client = self.client(cluster)
            client.call("DELETE", f"/api/v1/namespaces/{video.NAMESPACE}")
            wait_for(lambda each=client: _is_empty(each), what=f"{cluster} is empty")
        files = video.package(image=image, heap_mib=heap_mib)
        self.repository(SOURCE).put(files, folder=scratch / "deploy", message="Deploy video")
        video.wait_for_answer(self.lab.clusters[SOURCE].app_url)

    def poller(self) -> Poller:
        return Poller({name: each.app_url for name, each in self.lab.clusters.items()})

    def until_answered(self, poller: Poller, *, cluster: str, times: int = 10) -> None:
        """Until the polling client was answered there so many times more."""
        before = poller.report().answers_by_cluster.get(cluster, 0)
        wait_until(
            lambda: poller.report().answers_by_cluster.get(cluster, 0) >= before + times,
            what=f"{cluster} answers the client",
            pause=0.05,
        )

    def task_states(self, run_id: str, *, dag_id: str = MIGRATE_DAG) -> dict[str, tuple[str, int]]:
        """Task id to its state and number of tries."""
        tasks = self.airflow.tasks_of(dag_id, run_id=run_id)
        return {task.task_id: (str(task.state), task.try_number) for task in tasks}

    def finish(
        self,
        run_id: str,
        *,
        dag_id: str = MIGRATE_DAG,
        minutes: float = 4,
        poller: Poller | None = None,
    ) -> str:
        """State of the run, once it has ended; where its time went is printed."""
        state = self.airflow.wait_run(dag_id, run_id=run_id, timeout=timedelta(minutes=minutes))
        self._tell(run_id, dag_id=dag_id, state=state, poller=poller)
        return state

    def _tell(self, run_id: str, *, dag_id: str, state: str, poller: Poller | None) -> None:
        run = self.airflow.rest("GET", f"dags/{dag_id}/dagRuns/{run_id}")
        switches = poller.report().switches if poller else ()
        spans = spans_of(self.airflow, dag_id=dag_id, run_id=run_id)
        self.say(f"{dag_id} {run_id}: {state}")
        began = datetime.fromisoformat(run["queued_at"] or run["start_date"])
        for line in table(spans, began=began, switch=switches[0] if switches else None):
            self.say(line)

    def log(self, run_id: str, *, task_id: str, dag_id: str = MIGRATE_DAG) -> str:
        """Of the task's last try."""
        tries = self.task_states(run_id, dag_id=dag_id)[task_id][1]
        return self.airflow.task_log(dag_id, run_id=run_id, task_id=task_id, try_number=tries)


def _is_empty(client: Client) -> bool:
    found = client.call("GET", f"/api/v1/namespaces/{client.namespace}")
    return not client.pods() and found.status_code == requests.codes.not_found


def write_policy(lab: LabDescription, *, folder: Path) -> None:
    """The policy of these tests, for an Airflow of this lab."""
    folder.mkdir(parents=True)
    text = _POLICY.format(
        name=POLICY,
        source=SOURCE,
        target=TARGET,
        package=video.PACKAGE,
        repo=lab.git.repositories[SOURCE],
    )
    (folder / "system.yaml").write_text(text)
