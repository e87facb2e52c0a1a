"""Have a node fetch checkpoint images before it needs them; nothing starts them."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from lab.command import run
from lab.description import LabDescription
from lab.node import Node

_SOURCE = Path(__file__).resolve().parent.parent
_SECONDS = 600


def stage(lab: LabDescription, *, cluster: str, images: Iterable[str]) -> None:
    """Each image's archive, and the base image that its restore needs, lie on the node after."""
    node = Node.of(lab, cluster=cluster)
    chosen = {key: value for key, value in os.environ.items() if key.startswith("LAB_")}
    bases = run(
        *node.inside(sys.executable, "-m", "lab.api.staging", cluster, *images),
        env={**chosen, "PYTHONPATH": str(_SOURCE), "LAB_STATE": str(lab.state)},
        timeout_seconds=_SECONDS,
    )
    for base in set(bases.split()):
        node.run("podman", "pull", "--quiet", base, timeout_seconds=_SECONDS)
