"""The transition agent on each node, as its DaemonSet or systemd unit starts it."""

import json
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

from lab.description import LabDescription, write_private
from lab.node import CHECKPOINTS, Node
from lab.services.daemon import PROBE_INTERVAL, Daemon, DaemonError

_PROGRAM = Path(sys.executable).parent / "transition-agent"
_METRICS_PORT = 9464
_PATIENCE_SECONDS = 30.0


def start(lab: LabDescription) -> None:
    """Start the agents that do not run, and wait until each answers."""
    for cluster in lab.clusters:
        start_one(lab, cluster=cluster)
    for cluster in lab.clusters:
        wait_ready(lab, cluster=cluster)


def start_one(lab: LabDescription, *, cluster: str) -> Daemon:
    """Start the agent of one node; after `kill()` of its daemon as well."""
    node = Node.of(lab, cluster=cluster)
    settings = {
        "CLUSTER_NAME": cluster,
        "NODE_NAME": node.name,
        "CHECKPOINT_DIR": str(CHECKPOINTS),
        "S3_ENDPOINT_URL": lab.s3.endpoint_url,
        "S3_ACCESS_KEY": lab.s3.access_key,
        "S3_SECRET_KEY": lab.s3.secret_key,
        "S3_BUCKET": lab.s3.bucket,
        "AWS_REGION": lab.s3.region,
        "S3_CA_FILE": str(lab.ca_file),
        "STATE_DIR": str(node.folder / "agent"),
        "CONTAINER_RUNTIME": "podman",
        "METRICS_ADDRESS": f"{node.address}:{_METRICS_PORT}",
        **_heartbeats(node, lab=lab),
    }
    return node.start("agent", str(_PROGRAM), "run", env=settings)


def write_heartbeats(node: Node, *, url: str, token: str, interval: timedelta) -> None:
    """Kept on the node, so that its agent sends heartbeats however it is started again."""
    write_private(_token_file(node), content=token)
    settings = {
        "CONTROLLER_URL": url,
        "CONTROLLER_TOKEN_FILE": str(_token_file(node)),
        "FAULT_DETECTION_INTERVAL": f"{interval.total_seconds():g}",
    }
    write_private(_heartbeats_file(node), content=json.dumps(settings))


def _heartbeats(node: Node, *, lab: LabDescription) -> dict[str, str]:
    """What the agent needs to send heartbeats; nothing before the node has a token."""
    file = _heartbeats_file(node)
    if not file.exists():
        return {}
    return {**json.loads(file.read_text()), "CONTROLLER_CA_FILE": str(lab.ca_file)}


def _heartbeats_file(node: Node) -> Path:
    return node.folder / "heartbeats.json"


def _token_file(node: Node) -> Path:
    return node.folder / "controller-token"


def wait_ready(lab: LabDescription, *, cluster: str) -> None:
    """Until the agent answers."""
    address = lab.clusters[cluster].node_address
    daemon = agent_of(lab, cluster=cluster)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with suppress(OSError), urlopen(f"http://{address}:{_METRICS_PORT}/metrics", timeout=1):
            return
        if daemon.pid() is None or time.monotonic() > deadline:
            raise DaemonError(f"{daemon.name} does not answer; its log:\n{daemon.log_tail()}")
        time.sleep(PROBE_INTERVAL.total_seconds())


def agent_of(lab: LabDescription, *, cluster: str) -> Daemon:
    """The agent's process, to be asked or ended."""
    return Node.of(lab, cluster=cluster).daemon("agent")
