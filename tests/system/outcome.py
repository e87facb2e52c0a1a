"""What is true after a move that succeeded, whatever happened on its way."""

from lab import video
from lab.ledger import Report
from tests.system.ground import CLUSTERS, SOURCE, TARGET
from tests.system.stage import MIGRATE_DAG, Stage


def assert_moved(
    stage: Stage, *, run_id: str, process: str, client: Report, dag_id: str = MIGRATE_DAG
) -> None:
    """The client saw one process go on; Git, clusters and nodes have one copy of it."""
    assert client.problems == ()
    assert client.id == process, "the same process, by what only its memory knows"
    assert [(each.source, each.target) for each in client.switches] == [(SOURCE, TARGET)]

    move = f"{dag_id}/{run_id}"
    source, target = (stage.repository(cluster) for cluster in CLUSTERS)
    assert "replicas: 0" in source.show()
    assert "replicas: 1" in target.show()
    assert len(source.moves(move)) == 1
    assert len(target.moves(move)) == 1, "one promotion, however often it was tried"
    images = stage.airflow.xcom(dag_id, run_id=run_id, task_id="promote")["images"]
    assert images[video.CONTAINER] in target.show()

    assert stage.client(SOURCE).pods() == []
    (pod,) = stage.client(TARGET).pods()
    (status,) = pod["status"]["containerStatuses"]
    assert pod["spec"]["containers"][0]["image"] == images[video.CONTAINER]
    assert (status["ready"], status["restartCount"]) == (True, 0)
    assert [len(stage.containers(cluster)) for cluster in CLUSTERS] == [0, 1]
    assert stage.door(SOURCE), "whoever starts it there again starts it behind a closed door"
    assert stage.door(TARGET) == []
