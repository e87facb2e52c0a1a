"""The whole lab up, down, and what of it runs."""

import errno
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lab import network, processes
from lab.command import run
from lab.description import CLUSTERS, LabSettings
from lab.errors import CommandError

_CGROUPS = Path("/sys/fs/cgroup")
_CGROUP_SECONDS = 20
_PROBE_SECONDS = 0.02


def down(settings: LabSettings) -> None:
    """End every process of the lab and take away its mounts, namespaces, interfaces and files.

    What is not there is no error, so it cleans up after a half-made or killed lab as well.
    """
    processes.end(_namespaces(settings))
    for mount in reversed(_mounts(settings.state)):
        run("umount", mount)
    network.remove(settings)
    for cluster in CLUSTERS:
        _remove_cgroups(settings.node_netns(cluster))
    if settings.state.exists():
        shutil.rmtree(settings.state)


def remains(settings: LabSettings) -> list[str]:
    """What of the lab is left on the machine: nothing, after `down`."""
    found = [f"process {each.pid}" for each in processes.inside(_namespaces(settings))]
    found += [f"mount {each}" for each in _mounts(settings.state)]
    found += [f"namespace {each}" for each in network.namespaces(settings)]
    found += [f"interface {each}" for each in network.interfaces(settings)]
    found += [f"cgroup {path}" for name in CLUSTERS for path in _cgroups(settings.node_netns(name))]
    return found + ([f"folder {settings.state}"] if settings.state.exists() else [])


def _namespaces(settings: LabSettings) -> Iterator[str]:
    for file in network.namespaces(settings):
        yield processes.namespace_of(file, kind="net")
    for cluster in CLUSTERS:
        file = settings.mount_namespace(cluster)
        if file.is_mount():
            yield processes.namespace_of(file, kind="mnt")
            yield from _pods_networks(file)


def _pods_networks(mount_namespace: Path) -> Iterator[str]:
    """The network namespaces of the pods, which Podman keeps in the node's own /run."""
    with suppress(CommandError):  # a node without pods has no such folder
        listed = run(
            *("nsenter", f"--mount={mount_namespace}", "--"),
            *("find", "/run/netns", "-type", "f", "-printf", "net:[%i]\n"),
        )
        yield from listed.split()


def _mounts(state: Path) -> list[str]:
    """Mount points below the state folder, in the order in which they were made."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [each for each in points if Path(each).is_relative_to(state)]


def _cgroups(name: str) -> list[Path]:
    """The node's cgroup in each hierarchy: one below every controller, or one for all."""
    candidates = [_CGROUPS / name, *(folder / name for folder in _CGROUPS.iterdir())]
    return [folder for folder in candidates if folder.is_dir()]


def _remove_cgroups(name: str) -> None:
    for folder in _cgroups(name):
        children = [child for child in folder.rglob("*") if child.is_dir()]
        for each in (*sorted(children, reverse=True), folder):
            _remove_cgroup(each)


def _remove_cgroup(folder: Path) -> None:
    """The kernel calls it busy until the last killed process in it is quite gone."""
    deadline = time.monotonic() + _CGROUP_SECONDS
    while True:
        try:
            return folder.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
        time.sleep(_PROBE_SECONDS)
