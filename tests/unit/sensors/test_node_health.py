"""People's own DAGs wait for a node's or a cluster's health."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from airflow_transition.core.awaited_health import AwaitedHealth
from airflow_transition.core.health_report import FleetReport, Health
from airflow_transition.hooks.receiver_client import _TOKENS
from airflow_transition.hooks.receiver_errors import ReceiverDeniedError
from airflow_transition.sensors.node_health import NodeHealthSensor
from airflow_transition.triggers import node_health
from airflow_transition.triggers.node_health import NodeHealthTrigger


def fleet(*healths: str, version: int = 1) -> dict[str, Any]:
    nodes = [
        {
            "node": f"n{number}",
            "health": health,
            "silent_seconds": 1.0,
            "trusted": True,
        }
        for number, health in enumerate(healths)
    ]
    return {
        "version": version,
        "grace_seconds": 20,
        "listening_seconds": 99,
        "clusters": [{"cluster": "west", "epoch": 1, "nodes": nodes}],
    }


class Receiver:
    """Answers what is left of `answers`, then the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.paths: list[str] = []

    def __call__(self, request: Request) -> Response:
        if request.path == "/auth/token":
            return said({"access_token": "t"}, status=201)
        self.paths.append(request.full_path)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Response) else said(answer)


def said(body: Any, *, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


@pytest.fixture
def receiver(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver()
    httpserver.expect_request(re.compile(".*")).respond_with_handler(made)
    fields = {"conn_type": "http", "host": httpserver.url_for("/"), "login": "a", "password": "b"}
    monkeypatch.setenv("AIRFLOW_CONN_TRANSITION_RECEIVER", json.dumps(fields))
    monkeypatch.setattr(node_health, "_BACKOFF_SECONDS", (0.0, 0.0))
    yield made
    _TOKENS._kept.clear()


def sensor(**arguments: Any) -> NodeHealthSensor:
    return NodeHealthSensor(task_id="wait", cluster="west", **arguments)


def test_a_node_that_is_silent_is_waited_for(receiver: Receiver) -> None:
    receiver.answers = [fleet("NotReady", "Ready")]
    assert not sensor(node="n0").poke({})
    assert sensor(node="n0", health="NotReady").poke({})
    assert sensor(node="n1").poke({})


def test_a_cluster_is_not_ready_once_the_share_of_its_agents_is_silent(
    receiver: Receiver,
) -> None:
    receiver.answers = [fleet("NotReady", "Ready")]
    assert sensor().poke({})
    assert sensor(health="NotReady", silent_nodes_percent=50).poke({})


@pytest.mark.parametrize(("cluster", "node"), [("west", "other"), ("other", None)])
def test_what_was_never_heard_of_is_unknown(cluster: str, node: str | None) -> None:
    awaited = AwaitedHealth(cluster=cluster, node=node, health=Health.READY, grace_seconds=20)
    assert awaited.found(FleetReport.model_validate(fleet("Ready"))) is Health.UNKNOWN


def test_a_deferrable_sensor_waits_in_the_triggerer(receiver: Receiver) -> None:
    receiver.answers = [fleet("NotReady")]
    with pytest.raises(TaskDeferred) as deferred:
        sensor(deferrable=True, grace_period=timedelta(seconds=3)).execute({})
    trigger = deferred.value.trigger
    assert isinstance(trigger, NodeHealthTrigger)
    assert trigger.awaited["grace_seconds"] == 3


def test_what_is_there_already_is_not_deferred(receiver: Receiver) -> None:
    receiver.answers = [fleet("Ready")]
    assert sensor(deferrable=True).execute({}) is None


def trigger() -> NodeHealthTrigger:
    awaited = AwaitedHealth(cluster="west", health=Health.READY, grace_seconds=20)
    return NodeHealthTrigger(
        awaited=awaited.model_dump(mode="json"), receiver_conn_id="transition_receiver"
    )


async def first_event(made: NodeHealthTrigger) -> Any:
    return (await anext(made.run())).payload


def test_the_trigger_comes_back_as_it_was() -> None:
    path, arguments = trigger().serialize()
    assert path == "airflow_transition.triggers.node_health.NodeHealthTrigger"
    assert NodeHealthTrigger(**arguments).serialize() == (path, arguments)


def test_the_trigger_follows_the_versions_and_outlasts_a_receiver_that_is_away(
    receiver: Receiver,
) -> None:
    away = said({"detail": "starting"}, status=503)
    receiver.answers = [fleet("NotReady", version=5), away, fleet("NotReady"), fleet("Ready")]
    event = asyncio.run(first_event(trigger()))
    sensor(deferrable=True).execute_complete({}, event)
    assert event["cluster"] == "west"
    assert "after=5" in receiver.paths[1]
    assert "after" not in receiver.paths[2]


def test_a_refused_login_fails_the_task_and_does_not_wait(receiver: Receiver) -> None:
    receiver.answers = [said({"detail": "may not"}, status=403)]
    with pytest.raises(ReceiverDeniedError):
        asyncio.run(first_event(trigger()))
