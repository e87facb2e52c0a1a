"""Addresses of API servers that do not answer, each in its own way."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_QUEUED = 8


@contextmanager
def refusing() -> Iterator[int]:
    """A port at which every connection is refused at once."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@contextmanager
def dropping() -> Iterator[int]:
    """A port that takes no connection and refuses none: its queue is full, and packets go lost."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(_QUEUED):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        yield int(full.getsockname()[1])


def kubernetes_connection(port: int) -> dict[str, Any]:
    """An Airflow connection to the API server at this port."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "it", "user": {"token": "t"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    return {"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(config)}}
