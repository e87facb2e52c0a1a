"""The Node object: what this machine is, as a kubelet registers it."""

import os
import platform
from pathlib import Path

from lab.api.kinds import Object
from lab.api.store import timestamp
from lab.packages import architecture

KUBELET_VERSION = "v1.36.2"
"""The version whose answers were recorded, and are given here."""

_CONDITIONS = (
    (
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def describe(*, name: str, address: str, podman_version: str) -> Object:
    """Metadata and status of the one node."""
    arch = architecture()
    capacity = {
        "cpu": str(os.cpu_count()),
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 1024}Ki",
        "pods": "110",
    }
    now = timestamp()
    return {
        "metadata": {
            "name": name,
            "labels": {
                "beta.kubernetes.io/arch": arch,
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": arch,
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            },
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                    "reason": reason,
                    "message": message,
                }
                for kind, status, reason, message in _CONDITIONS
            ],
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": _line("/etc/machine-id"),
                "systemUUID": _line("/etc/machine-id"),
                "bootID": _line("/proc/sys/kernel/random/boot_id"),
                "kernelVersion": platform.release(),
                "osImage": platform.freedesktop_os_release()["PRETTY_NAME"],
                "containerRuntimeVersion": f"podman://{podman_version}",
                "kubeletVersion": KUBELET_VERSION,
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": arch,
            },
        },
    }


def _line(file: str) -> str:
    path = Path(file)
    return path.read_text().strip() if path.exists() else ""
