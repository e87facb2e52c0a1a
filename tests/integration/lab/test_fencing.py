"""The agent on a node of real pods: what is fenced stops, is closed, and comes back when lifted."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from transition_wire.heartbeat import Fence, Heartbeat, HeartbeatReply, Lease
from werkzeug import Request, Response

from lab.client import Client, Json, deployment, is_ready, wait_for
from lab.description import LabSettings
from lab.services.daemon import Daemon

FENCE_ID = "test/cluster1@1"


@dataclass
class Receiver:
    server: HTTPServer
    reply: HeartbeatReply
    newest: Heartbeat | None = None

    def answer(self, request: Request) -> Response:
        self.newest = Heartbeat.model_validate_json(request.get_data())
        return Response(self.reply.model_dump_json(), content_type="application/json")


@pytest.fixture
def receiver(settings_for: Callable[[str], LabSettings]) -> Iterator[Receiver]:
    with HTTPServer(host=str(settings_for("lab").host_address)) as server:
        receiver = Receiver(server, HeartbeatReply(epoch=1))
        server.expect_request("/heartbeat").respond_with_handler(receiver.answer)
        yield receiver


@pytest.fixture
def agent(source: Client, receiver: Receiver, tmp_path: Path) -> Iterator[Daemon]:
    """An agent beside the lab's own, of another node's name and with a folder of its own."""
    environment = {
        "CLUSTER_NAME": source.cluster,
        "NODE_NAME": "test-node",
        "CHECKPOINT_DIR": str(tmp_path),
        "STATE_DIR": str(tmp_path / "state"),
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "S3_ACCESS_KEY": "key",
        "S3_SECRET_KEY": "secret",
        "METRICS_ADDRESS": "off",
        "CONTROLLER_URL": receiver.server.url_for("/"),
        "HEARTBEAT_INTERVAL": "500ms",
        "CONTAINER_RUNTIME": "podman",
    }
    program = str(Path(sys.executable).parent / "transition-agent")
    daemon = source.node.start("second-agent", program, "run", env=environment)
    yield daemon
    daemon.stop()


@pytest.fixture
def pod(source: Client, image: str) -> Json:
    source.apply(deployment(image))
    return source.ready_pod()


def _answers(source: Client, pod: Json) -> bool:
    script = "import socket,sys;socket.create_connection((sys.argv[1],8080),timeout=1)"
    command = f"python3 -c '{script}' {pod['status']['podIP']} 2>/dev/null && echo yes || echo no"
    return source.node.run("sh", "-c", command).strip() == "yes"


def test_a_fenced_pod_is_stopped_and_closed_until_the_fence_is_lifted(
    source: Client, pod: Json, agent: Daemon, receiver: Receiver
) -> None:
    name = pod["metadata"]["name"]
    listed = (source.namespace, name, "app")
    wait_for(
        lambda: (
            receiver.newest
            and listed in [(c.namespace, c.pod, c.container) for c in receiver.newest.containers]
        ),
        what="the pod among the heartbeat's containers",
    )
    before = source.inside(pod)
    fence = Fence(
        package="player",
        namespace=source.namespace,
        pod_labels={"app": "player"},
        id=FENCE_ID,
        epoch=2,
    )
    receiver.reply = HeartbeatReply(epoch=2, fences=(fence,))
    wait_for(lambda: receiver.newest and receiver.newest.fenced == (FENCE_ID,), what="confirmed")
    assert not _answers(source, pod)
    receiver.reply = HeartbeatReply(epoch=2)
    wait_for(lambda: receiver.newest and receiver.newest.fenced == (), what="lifted")
    wait_for(
        lambda: any(is_ready(each) for each in source.pods()), what="the kubelet starts it again"
    )
    assert source.inside(source.ready_pod())["id"] != before["id"]


def test_a_leased_pod_answers_while_heartbeats_renew_it(
    source: Client, pod: Json, agent: Daemon, receiver: Receiver
) -> None:
    lease = Lease(
        package="player",
        namespace=source.namespace,
        pod_labels={"app": "player"},
        duration_seconds=5,
    )
    receiver.reply = HeartbeatReply(epoch=1, leases=(lease,))
    wait_for(
        lambda: (
            receiver.newest and [each.enforced_by for each in receiver.newest.leases] == ["kernel"]
        ),
        what="the kernel enforces the lease",
    )
    wait_for(lambda: _answers(source, pod), what="the pod answers")
    agent.kill()
    wait_for(lambda: not _answers(source, pod), what="the lease runs out")
    source.node.run("nft", "delete", "table", "inet", "transition_agent")
    source.node.run("nft", "delete", "table", "bridge", "transition_agent")
    assert _answers(source, pod)
