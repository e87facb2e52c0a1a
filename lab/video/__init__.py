"""The sample application and its manifests."""

import time
import urllib.request
from pathlib import Path

from lab.errors import LabError

PACKAGE = "video"
"""Its name in the annotations, and its folder in the cluster's repository."""

NAMESPACE = "shop"
WORKLOAD = "video"
CONTAINER = "app"

_MANIFESTS = Path(__file__).parent / "package"
_IMAGE = "registry.example/video:1"
_PORTS = "          ports:\n"
_PROBE_SECONDS = 0.05


def package(*, image: str, heap_mib: int = 0) -> dict[str, str]:
    """The package's files as they lie in Git, with the image by its digest."""
    heap = f'          env: [{{name: HEAP_MIB, value: "{heap_mib}"}}]\n{_PORTS}'
    return {
        f"{PACKAGE}/{file.name}": file.read_text()
        .replace(_IMAGE, image)
        .replace(_PORTS, heap if heap_mib else _PORTS)
        for file in sorted(_MANIFESTS.glob("*.yaml"))
    }


def wait_for_answer(url: str, *, patience_seconds: float = 60) -> None:
    """Until the application is reached through its Service, without counting a request."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=1):  # noqa: S310 - http of the lab
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise LabError(
                    "the sample application does not answer",
                    where=url,
                    found=str(error),
                    do="look at lab/status and the logs in the lab's state folder",
                ) from error
        time.sleep(_PROBE_SECONDS)
