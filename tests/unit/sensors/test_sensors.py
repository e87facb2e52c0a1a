"""Sensors wait for the agent's uploads and for restored pods."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from airflow_transition import outside
from airflow_transition.core.errors import PermanentError, TemporaryError
from airflow_transition.sensors.checkpoint_record import CheckpointRecordSensor
from airflow_transition.sensors.workload_restored import WorkloadRestoredSensor
from airflow_transition.triggers.checkpoint_records import CheckpointRecordsTrigger
from tests.unit.operators.conftest import put_outside
from tests.unit.operators.world import MANIFEST, SOURCE, TARGET, FakeStore, World, a_record

NAME = "checkpoint-video-85f5b48bb5-b5dgv_shop-app-2026-11-23T03:04:00Z.tar"
KEY = f"{SOURCE}/shop/video/{NAME}.record.json"
CHECKPOINT = {
    "cluster": SOURCE,
    "namespace": "shop",
    "package": "video",
    "workload_kind": "Deployment",
    "workload": "video",
    "pod": "video-85f5b48bb5-b5dgv",
    "node": "node-1",
    "archives": [{"container": "app", "path": f"/var/lib/kubelet/checkpoints/{NAME}"}],
}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    made = FakeStore(World.create())
    monkeypatch.setattr(outside, "store", lambda: made)
    return made


def sensor(**arguments: Any) -> CheckpointRecordSensor:
    return CheckpointRecordSensor(task_id="uploaded", checkpoint=CHECKPOINT, **arguments)


def test_an_archive_without_a_record_is_waited_for(store: FakeStore) -> None:
    assert not sensor().poke({})
    store.world.archives[NAME] = 1
    assert sensor().poke({})


def test_a_deferrable_sensor_waits_in_the_triggerer(store: FakeStore) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        sensor(deferrable=True).execute({})
    assert isinstance(deferred.value.trigger, CheckpointRecordsTrigger)
    assert deferred.value.trigger.keys == [KEY]


def test_what_is_uploaded_already_is_not_deferred(store: FakeStore) -> None:
    store.world.archives[NAME] = 1
    assert sensor(deferrable=True).execute({}) is None


def test_the_trigger_comes_back_as_it_was() -> None:
    made = trigger()
    path, arguments = made.serialize()
    assert path == "airflow_transition.triggers.checkpoint_records.CheckpointRecordsTrigger"
    assert CheckpointRecordsTrigger(**arguments).serialize() == (path, arguments)


def test_the_trigger_outlasts_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([TemporaryError("away", where="s3", do="wait"), None, None])

    def find_record(_: Any, key: str) -> Any:
        answer = next(answers, "there")
        if isinstance(answer, Exception):
            raise answer
        return answer and a_record(key.removesuffix(".record.json"), digest="sha256:" + 64 * "0")

    monkeypatch.setattr(
        "airflow_transition.hooks.checkpoint_store.CheckpointStoreHook.find_record", find_record
    )
    assert asyncio.run(first_event(trigger())) == {"keys": [KEY]}


def test_a_store_that_refuses_fails_the_task_and_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> Any:
        raise PermanentError("refused", where="s3", do="give rights")

    monkeypatch.setattr(
        "airflow_transition.hooks.checkpoint_store.CheckpointStoreHook.find_record", refuse
    )
    with pytest.raises(PermanentError):
        asyncio.run(first_event(trigger()))


def trigger() -> CheckpointRecordsTrigger:
    return CheckpointRecordsTrigger(
        keys=[KEY], aws_conn_id="s3", bucket="b", prefix="", poll_interval=timedelta(0)
    )


async def first_event(made: CheckpointRecordsTrigger) -> Any:
    event = await anext(made.run())
    return event.payload


def test_a_restored_pod_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.create()
    put_outside(monkeypatch, world)
    image = "registry.example/checkpoints@sha256:" + 64 * "1"
    world.target.files = {"video/app.yaml": MANIFEST.replace("registry.example/video:1", image)}
    world.target.memory = 1
    package = {"cluster": TARGET, "package": "video", "package_path": "video"}
    images = {
        "containers": [
            {
                "container": "app",
                "record_key": KEY,
                "digest": "sha256:" + 64 * "2",
                "size_bytes": 1,
                "image": image,
                "base_image": {"name": "n", "reference": "r"},
            }
        ],
        "node": FakeStore(world).list_node_facts(SOURCE)[0].model_dump(mode="json"),
        "verified": "2026-11-23T00:00:00Z",
    }
    found = WorkloadRestoredSensor(task_id="verify", package=package, images=images).poke({})
    assert found.xcom_value == {"pod": "video-85f5b48bb5-b5dgv", "node": "node-1"}
