"""The transition agent on each node, as its DaemonSet or systemd unit starts it."""

import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

from lab.description import LabDescription
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
        _wait_ready(lab, cluster=cluster)


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
    }
    return node.start("agent", str(_PROGRAM), "run", env=settings)


def _wait_ready(lab: LabDescription, *, cluster: str) -> None:
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
