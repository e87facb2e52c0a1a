"""Measure what this node can do: kernel, processor, container runtimes, CRIU.

A program that is not installed is None; one that hangs is given up after a bounded time.
"""

import platform
import re
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from transition_wire.node_facts import CriuCheck, NodeFacts

from transition_agent.errors import AgentError
from transition_agent.restore_switch import containerd_restores, crio_restores
from transition_agent.runc_conf import host_root, runc_conf
from transition_agent.xsave import xsave_size_bytes

_VERSION = re.compile(r"\bv?(\d+\.\d+(?:\.\d+)?[^\s,]*)")
_VERSION_TIMEOUT = timedelta(seconds=10)
_CHECK_TIMEOUT = timedelta(seconds=60)
_MAX_OUTPUT = 2000
_CGROUP2 = Path("/sys/fs/cgroup/cgroup.controllers")
"""Exists only where the unified hierarchy is mounted there, as systemd and Podman expect it."""


def read_or_measure(file: Path | None, *, cluster: str, node: str, now: datetime) -> NodeFacts:
    """From a file that a process with more rights keeps fresh, where there is one."""
    if file is None:
        return measure(cluster=cluster, node=node, now=now)
    facts = NodeFacts.model_validate_json(file.read_bytes())
    if (facts.cluster, facts.node) != (cluster, node):
        raise AgentError(
            f"facts of {facts.cluster}/{facts.node}, not of {cluster}/{node}",
            where=str(file),
            do="give both commands the same CLUSTER_NAME and NODE_NAME",
        )
    return facts


def measure(*, cluster: str, node: str, now: datetime) -> NodeFacts:
    """All facts, in a second or two: `criu check` tries what it checks."""
    cpu = cpu_of(Path("/proc/cpuinfo").read_text())
    return NodeFacts(
        cluster=cluster,
        node=node,
        measured=now,
        kernel=platform.release(),
        architecture=platform.machine(),
        cpu_model=cpu[0],
        cpu_features=cpu[1],
        xsave_size_bytes=xsave_size_bytes(),
        cgroup_version=2 if _CGROUP2.exists() else 1,
        criu=_version("criu"),
        criu_check=_criu_check(),
        runc=_version("runc"),
        containerd=_version("containerd"),
        crio=_version("crio"),
        podman=_version("podman"),
        runc_conf=runc_conf(host_root()),
        containerd_restores=containerd_restores(),
        crio_restores=crio_restores(),
    )


def cpu_of(cpuinfo: str) -> tuple[str, tuple[str, ...]]:
    """Model and sorted features of the first processor in /proc/cpuinfo (x86_64 and aarch64)."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, colon, text = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), text.strip())
    features = fields.get("flags") or fields.get("Features", "")
    model = fields.get("model name") or fields.get("CPU part", "unknown")
    return model, tuple(sorted(features.split()))


def version_in(output: str) -> str | None:
    """`4.2.1` of `Version: 4.2.1`, of `containerd github.com/containerd/containerd/v2 v4.2.1 …`."""
    found = _VERSION.search(output)
    return found[1] if found else None


def _version(program: str) -> str | None:
    finished = _run(program, "--version", timeout=_VERSION_TIMEOUT)
    return version_in(finished.output) if finished else None


def _criu_check() -> CriuCheck | None:
    return _run("criu", "check", timeout=_CHECK_TIMEOUT)


def _run(program: str, argument: str, *, timeout: timedelta) -> CriuCheck | None:
    """Whether it ended well, and what it printed; None if it is not installed."""
    path = shutil.which(program)
    if path is None:
        return None
    try:
        finished = subprocess.run(
            [path, argument],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout.total_seconds(),
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return CriuCheck(passed=False, output=f"no end after {timeout.total_seconds():.0f} s")
    except OSError as error:
        return CriuCheck(passed=False, output=f"cannot be started: {error.strerror}")
    return CriuCheck(passed=finished.returncode == 0, output=finished.stdout[:_MAX_OUTPUT])
