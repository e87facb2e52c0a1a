"""Everything that a move depends on dies in its middle, once each, and nothing is lost.

Each part is killed with SIGKILL at the step in which it works for the move, as seen in files, in S3
and in Airflow's own state, and is started again once the move has met its absence.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import agents, video
from tests.system.ground import SOURCE, TARGET, wait_until
from tests.system.outcome import assert_moved
from tests.system.stage import MIGRATE_DAG, Stage

HEAP_MIB = 96
"""Enough for an upload and a push to be hit in their middle."""

pytestmark = pytest.mark.timeout(600)

MOVE = {"package": video.PACKAGE, "target": "automatic", "dry_run": False}


@dataclass(frozen=True)
class Move:
    """A migrate run that goes on while its surroundings die."""

    stage: Stage
    run_id: str

    @property
    def name(self) -> str:
        return f"{MIGRATE_DAG}/{self.run_id}"

    def task(self, task_id: str) -> tuple[str, int]:
        """State and number of tries."""
        return self.stage.task_states(self.run_id)[task_id]

    def felt_by(self, task_id: str) -> None:
        """Until the task has failed for what is gone, and waits to be tried again."""
        begun = self.task(task_id)[1]
        wait_until(
            lambda: self.task(task_id)[0] == "up_for_retry" or self.task(task_id)[1] > begun,
            what=f"{task_id} feels what is gone; it is {self.task(task_id)}",
            pause=0.1,
        )


def test_a_move_survives_the_death_of_everything_around_it(
    stage: Stage, deploy: Callable[[int], None]
) -> None:
    deploy(HEAP_MIB)
    process = stage.state(SOURCE)["id"]
    with stage.poller() as poller:
        stage.until_answered(poller, cluster=SOURCE)
        known = archives(stage)
        move = Move(stage, stage.airflow.trigger(MIGRATE_DAG, conf=MOVE))
        kill_agent(move, known=known)
        kill_s3(move)
        kill_registry(move)
        kill_scheduler(move)
        state = stage.finish(move.run_id, poller=poller)
        assert state == "success", stage.log(move.run_id, task_id="settle")
        stage.until_answered(poller, cluster=TARGET)
        client = poller.report()

    assert_moved(stage, run_id=move.run_id, process=process, client=client)
    assert stage.task_states(move.run_id)["image"][1] > 1, "S3 was missed"


def kill_agent(move: Move, *, known: set[Path]) -> None:
    """While the archive is there and not uploaded."""
    lab = move.stage.lab
    agent = agents.agent_of(lab, cluster=SOURCE)
    wait_until(lambda: archives(move.stage) - known, what="the checkpoint is begun", pause=0.001)
    agent.kill()
    (archive,) = archives(move.stage) - known
    wait_until(
        lambda: move.task("image")[0] == "running",
        what="the move waits for the archive's record",
        pause=0.1,
    )
    assert not has_record(move.stage, archive), "nobody else uploads it"
    agents.start_one(lab, cluster=SOURCE)


def kill_s3(move: Move) -> None:
    """While the agent uploads and the move looks for the record."""
    server = move.stage.service("s3")
    bucket = move.stage.lab.s3.bucket
    client = move.stage.s3()
    wait_until(
        lambda: client.list_multipart_uploads(Bucket=bucket).get("Uploads"),
        what="the agent's upload is under way",
        pause=0.002,
    )
    server.kill()
    move.felt_by("image")
    server.start()
    server.wait_ready()


def kill_registry(move: Move) -> None:
    """While the image is being pushed: some of its big layer is there."""
    registry = move.stage.service("registry")
    repositories = registry.folder / "data/docker/registry/v2/repositories"
    wait_until(
        lambda: any(file.stat().st_size > 1 << 20 for file in uploads(repositories)),
        what="the image's layer is on its way to the registry",
        pause=0.001,
    )
    registry.kill()
    assert list(uploads(repositories)), "the layer is not whole"
    assert move.task("image")[0] == "running", "the push has its own patience"
    registry.start()
    registry.wait_ready()


def kill_scheduler(move: Move) -> None:
    """With its running task, between the promotion's push and the task's end."""
    airflow = move.stage.airflow
    repository = move.stage.repository(TARGET)
    wait_until(lambda: repository.moves(move.name), what="the promotion is pushed")
    airflow.kill_component("scheduler")
    assert move.task("promote")[0] in {"running", "success"}
    assert airflow.run_state(MIGRATE_DAG, run_id=move.run_id) == "running"
    airflow.start_component("scheduler")


def archives(stage: Stage) -> set[Path]:
    folder = stage.client(SOURCE).node.folder / "checkpoints"
    return set(existing(folder, "*.tar"))


def has_record(stage: Stage, archive: Path) -> bool:
    return any(key.endswith(f"/{archive.name}.record.json") for key in stage.objects())


def uploads(repositories: Path) -> Iterator[Path]:
    """Blobs that the registry has not all of yet."""
    return existing(repositories, "checkpoints/*/_uploads/*/data")


def existing(folder: Path, pattern: str) -> Iterator[Path]:
    """Files that are still there when they are looked at."""
    return (file for file in folder.glob(pattern) if file.exists())
