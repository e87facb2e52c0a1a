"""`python -m benchmarks.discoveries.discover_once URL`: one discovery in a process of its own.

Prints one line of JSON: seconds, requests, MB read, what was found, and by how many MB (2**20
bytes) the process's peak of resident memory rose meanwhile.
"""

import json
import os
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from airflow_transition.hooks.cluster import ClusterHook
from benchmarks.detections.api_server import kubernetes_connection
from benchmarks.discoveries.api_server import SMALL

_MIB = 1024 * 1024


def main(url: str) -> None:
    connection = kubernetes_connection(int(url.rpartition(":")[2]))
    os.environ["AIRFLOW_CONN_LARGE"] = json.dumps(connection)
    hook = ClusterHook("large")
    hook.discover(namespace=SMALL)
    before, resident = _counted(url), _resident_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is measured from here on
    began = time.perf_counter()
    found = hook.discover()
    seconds = time.perf_counter() - began
    peak, after = _resident_bytes("VmHWM"), _counted(url)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "requests": after["requests"] - before["requests"],
                "read_mb": (after["bytes"] - before["bytes"]) / _MIB,
                "found": len(found),
                "growth_mb": (peak - resident) / _MIB,
            }
        )
    )


def _counted(url: str) -> dict[str, int]:
    with urlopen(f"{url}/counted") as answer:  # noqa: S310 - the benchmark's own server
        counted: dict[str, int] = json.load(answer)
    return counted


def _resident_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the kernel tells no {name}")


if __name__ == "__main__":
    main(sys.argv[1])
