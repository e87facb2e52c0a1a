"""A real Airflow is told of each fault once, whatever is killed meanwhile."""

from collections.abc import Iterator

import pytest

from airflow_transition.core.health_report import Health
from benchmarks.detections.api_server import dropping, refusing
from benchmarks.detections.stage import Stage, policy, stage

WEST, EAST, BOTH = "failover.of-west", "failover.of-east", "failover.of-both"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("faults")
    policies = [
        policy("of-west", clusters=["west"], claims=True),
        policy("of-east", clusters=["east"], claims=True),
        policy("of-both", clusters=["west", "east"], claims=True),
    ]
    with refusing() as refused, dropping() as dropped:
        ports = {"west": refused, "east": dropped}
        with stage(folder, policies=policies, api_ports=ports) as everything:
            yield everything


def counted(made: Stage) -> dict[str, int]:
    return {dag_id: len(made.runs(dag_id)) for dag_id in (WEST, EAST, BOTH)}


def handled(made: Stage, dag_id: str, *, after: int) -> list[list[object]]:
    """What the run that follows the first `after` ones was told, and what became of it."""
    run = made.wait_run(dag_id, after=after)
    made.airflow.wait_run(dag_id, run_id=run["dag_run_id"], timeout=made.patience)
    told: list[list[object]] = made.airflow.xcom(dag_id, run_id=run["dag_run_id"], task_id="handle")
    return told


def heard_again(made: Stage, *clusters: str) -> None:
    for cluster in clusters:
        made.agents[cluster].speak()
        made.wait_health(cluster, health=Health.READY)


def test_every_policy_of_a_lost_cluster_gets_its_run_and_its_claim(made: Stage) -> None:
    made.agents["west"].fall_silent()
    assert handled(made, WEST, after=0) == [["west", 1, "Claim"]]
    assert handled(made, BOTH, after=0) == [["west", 1, "Claim"]]
    assert counted(made) == {WEST: 1, EAST: 0, BOTH: 1}
    assert {claim["epoch"] for claim in made.claims()} == {1}
    heard_again(made, "west")


def test_a_cluster_that_came_back_and_is_lost_again_is_a_fault_of_the_next_epoch(
    made: Stage,
) -> None:
    made.agents["west"].fall_silent()
    assert handled(made, WEST, after=1) == [["west", 2, "Claim"]]
    assert handled(made, BOTH, after=1) == [["west", 2, "Claim"]]
    heard_again(made, "west")


def test_a_triggerer_that_was_killed_tells_nothing_twice(made: Stage) -> None:
    before = counted(made)
    made.agents["east"].fall_silent()
    made.wait_run(EAST, after=before[EAST])
    made.airflow.kill_component("triggerer")
    assert handled(made, EAST, after=before[EAST]) == [["east", 1, "Claim"]]
    watched = made.times_watched()
    made.airflow.restart_component("triggerer")
    made.wait_watched(times=watched + 1)
    # while the others speak, a new fault shows that the new triggerer has looked at all clusters
    made.agents["west"].fall_silent()
    assert handled(made, WEST, after=before[WEST]) == [["west", 3, "Claim"]]
    assert counted(made)[EAST] == before[EAST] + 1
    heard_again(made, "west", "east")


def test_a_fault_that_came_while_there_was_no_triggerer_is_told_by_the_next(made: Stage) -> None:
    before = counted(made)
    watched = made.times_watched()
    made.airflow.kill_component("triggerer")
    made.agents["east"].fall_silent()
    made.wait_health("east", health=Health.NOT_READY)
    made.airflow.restart_component("triggerer")
    made.wait_watched(times=watched + 1)
    assert handled(made, EAST, after=before[EAST]) == [["east", 2, "Claim"]]
    heard_again(made, "east")


def test_two_clusters_that_die_together_are_both_handled(made: Stage) -> None:
    before = counted(made)
    made.agents["west"].fall_silent()
    made.agents["east"].fall_silent()
    told: list[object] = []
    runs = before[BOTH]
    while len(told) < 2:
        told += [cluster for cluster, _, given in handled(made, BOTH, after=runs)]
        runs += 1
    assert sorted(map(str, told)) == ["east", "west"]
    heard_again(made, "west", "east")


def test_a_restart_of_the_api_server_moves_nothing(made: Stage) -> None:
    before = counted(made)
    watched = made.times_watched()
    made.airflow.restart_component("api-server")
    made.wait_watched(times=watched + 1)
    for cluster in ("west", "east"):
        made.wait_health(cluster, health=Health.READY)
    assert counted(made) == before


def test_no_claim_was_asked_for_twice(made: Stage) -> None:
    ids = [claim["id"] for claim in made.claims()]
    assert len(ids) == len(set(ids))
    assert len(ids) == sum(counted(made).values())
