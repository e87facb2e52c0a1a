"""The transition agent on each node, as its DaemonSet or systemd unit starts it."""

import sys
from pathlib import Path

from lab.description import LabDescription
from lab.node import CHECKPOINTS, Node
from lab.services.daemon import Daemon

_PROGRAM = Path(sys.executable).parent / "transition-agent"
_METRICS_PORT = 9464


def start(lab: LabDescription) -> list[Daemon]:
    """Start the agents that do not run."""
    return [start_one(lab, cluster=cluster) for cluster in lab.clusters]


def start_one(lab: LabDescription, *, cluster: str) -> Daemon:
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
        "METRICS_ADDRESS": f"{node.address}:{_METRICS_PORT}",
    }
    return node.start("agent", str(_PROGRAM), "run", env=settings)


def agent_of(lab: LabDescription, *, cluster: str) -> Daemon:
    """The agent's process, to be asked or ended."""
    return Node.of(lab, cluster=cluster).daemon("agent")
