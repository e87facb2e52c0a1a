"""The agent on a node of its own, with pods that answer a client."""

import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from transition_wire.heartbeat import Fence, HeartbeatReply, Lease

from tests.integration.agent.conftest import AgentProcess
from tests.integration.agent.guard.fake_runtime import FakeRuntime
from tests.integration.agent.guard.network import CLIENT, OTHER_POD, POD, POD_6, Network, Probe
from tests.integration.agent.guard.receiver import PORT, ScriptedReceiver

LEASE_SECONDS = 1.5
INTERVAL_SECONDS = 0.3


def lease(*, seconds: float = LEASE_SECONDS) -> Lease:
    return Lease(
        package="video", namespace="shop", pod_labels={"app": "video"}, duration_seconds=seconds
    )


def fence(*, epoch: int = 2) -> Fence:
    return Fence(
        package="video",
        namespace="shop",
        pod_labels={"app": "video"},
        id=f"shop/cluster1-azure@{epoch - 1}",
        epoch=epoch,
    )


LEASED = HeartbeatReply(epoch=1, leases=(lease(),))
FREE = HeartbeatReply(epoch=1)
FENCED = HeartbeatReply(epoch=2, fences=(fence(),))


@dataclass
class GuardedNode:
    network: Network
    receiver: ScriptedReceiver
    runtime: FakeRuntime
    agent: AgentProcess
    from_client: Probe
    from_other_pod: Probe
    from_node: Probe

    def start(self) -> None:
        self.agent.start(inside=self.network.inside_node)

    def send(self, number: signal.Signals) -> None:
        assert self.agent.process
        self.agent.process.send_signal(number)


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network(f"g{secrets.token_hex(3)}")
    try:
        network.up()
        yield network
    finally:
        network.down()


@pytest.fixture
def node(network: Network, tmp_path: Path) -> Iterator[GuardedNode]:
    runtime = FakeRuntime(tmp_path / "runtime")
    runtime.set_pods({"video": f"{POD},{POD_6}", "other": OTHER_POD})
    environment = {
        "PATH": f"{runtime.folder}:/usr/sbin:/usr/bin:/sbin:/bin",
        "CLUSTER_NAME": "cluster1-azure",
        "NODE_NAME": "node-1",
        "CHECKPOINT_DIR": str(tmp_path / "checkpoints"),
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",  # nobody is there: heartbeats do not care
        "S3_ACCESS_KEY": "key",
        "S3_SECRET_KEY": "secret",
        "METRICS_ADDRESS": "off",
        "CONTROLLER_URL": f"http://127.0.0.1:{PORT}",
        "HEARTBEAT_INTERVAL": f"{INTERVAL_SECONDS * 1000:.0f}ms",
        "STATE_DIR": str(tmp_path / "state"),
    }
    agent = AgentProcess(tmp_path / "checkpoints", tmp_path / "agent.log", environment)
    with (
        ScriptedReceiver(network) as receiver,
        Probe(network, asker="client", asker_address=CLIENT) as from_client,
        Probe(network, asker="other", asker_address=OTHER_POD) as from_other_pod,
        Probe(network, asker="node", asker_address="0.0.0.0") as from_node,  # noqa: S104 - its own namespace
    ):
        yield GuardedNode(network, receiver, runtime, agent, from_client, from_other_pod, from_node)
        if agent.running():
            agent.end(signal.SIGKILL)
