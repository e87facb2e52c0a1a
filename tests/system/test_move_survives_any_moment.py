"""One part dies at a moment that nobody chose, and nothing is lost.

Which part and which moment is told in the figures; `SYSTEM_SEED` chooses them again, and
`SYSTEM_ROUNDS` asks for more than one.
"""

import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from lab import agents, video
from lab.airflow import AirflowInstance
from lab.cluster_server import ClusterServer
from lab.gitops import gitops_loops
from tests.system.ground import CLUSTERS, SOURCE, TARGET, wait_until
from tests.system.outcome import assert_moved
from tests.system.stage import MIGRATE_DAG, Stage

pytestmark = pytest.mark.timeout(600)

ROUNDS = int(os.environ.get("SYSTEM_ROUNDS", "1"))
HEAP_MIB = 32
TASKS = (
    *("preflight", "plan", "close_door", "checkpoint", "image"),
    *("promote", "verify", "retire", "settle"),
)
BEGUN = {"running", "success", "up_for_retry", "failed"}
MOVE = {"package": video.PACKAGE, "target": "automatic", "dry_run": False}


@dataclass(frozen=True)
class Part:
    """Something that a move depends on."""

    kill: Callable[[], object]
    start: Callable[[], object]
    wait_ready: Callable[[], object] = lambda: None


def parts(stage: Stage) -> dict[str, Part]:
    lab, airflow = stage.lab, stage.airflow
    found = {
        "scheduler": Part(
            lambda: airflow.kill_component("scheduler"),
            lambda: airflow.start_component("scheduler"),
        ),
        "API server of Airflow": Part(
            lambda: airflow.kill_component("api-server"),
            lambda: restart_api_server(airflow),
        ),
    }
    for name in ("s3", "registry", "git"):
        service = stage.service(name)
        found[name] = Part(service.kill, service.start, service.wait_ready)
    for cluster, loop in zip(CLUSTERS, gitops_loops(lab), strict=True):
        server = ClusterServer(node=stage.client(cluster).node, lab=lab)
        found[f"API server of {cluster}"] = Part(server.kill, server.start, server.wait_ready)
        found[f"GitOps engine of {cluster}"] = Part(loop.kill, loop.start, loop.wait_ready)
    agent = agents.agent_of(lab, cluster=SOURCE)
    found["agent"] = Part(agent.kill, lambda: agents.start_one(lab, cluster=SOURCE))
    return found


def restart_api_server(airflow: AirflowInstance) -> None:
    """This test itself asks it."""
    airflow.start_component("api-server")
    wait_until(airflow.health, what="Airflow's API server answers", pause=0.1)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_move_survives_a_death_at_any_moment(
    number: int, stage: Stage, deploy: Callable[[int], None]
) -> None:
    seed = int(os.environ.get("SYSTEM_SEED") or random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)  # noqa: S311 - repeatable, and nobody's secret
    known = parts(stage)
    name, task = chance.choice(sorted(known)), chance.choice(TASKS)
    later, away = chance.uniform(0, 1.5), chance.uniform(0.2, 4)
    what = f"{name} dies {later:.2f} s into {task}, for {away:.2f} s (SYSTEM_SEED={seed})"
    stage.say(what)

    deploy(HEAP_MIB)
    process = stage.state(SOURCE)["id"]
    with stage.poller() as poller:
        stage.until_answered(poller, cluster=SOURCE)
        run_id = stage.airflow.trigger(MIGRATE_DAG, conf=MOVE)
        wait_until(
            lambda: stage.task_states(run_id)[task][0] in BEGUN,
            what=f"{task} begins",
            pause=0.02,
        )
        pause(later)
        known[name].kill()
        pause(away)
        known[name].start()
        assert stage.finish(run_id, poller=poller) == "success", what
        known[name].wait_ready()
        stage.until_answered(poller, cluster=TARGET)
        client = poller.report()
    assert_moved(stage, run_id=run_id, process=process, client=client)


def pause(seconds: float) -> None:
    """The moment is the point here, not a condition that could be waited for."""
    threading.Event().wait(seconds)
