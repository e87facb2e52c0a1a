"""A node: a network and a mount namespace in which Podman has the machine to itself.

The folders that Podman and CRIU write to are private and lie at the same paths on every node: a
checkpoint holds some of them by name (conmon's pidfile), so separate `--root` options do not do.
"""

import base64
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab import criu
from lab.command import run
from lab.description import ALL_CLUSTERS, LabDescription, LabSettings
from lab.errors import CommandError
from lab.processes import namespace_of
from lab.services.daemon import Daemon

CHECKPOINTS = Path("/var/lib/kubelet/checkpoints")
"""Where the kubelet writes archives, on every node."""

_POD_NETWORKS = "10.244.{}.0/24"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SCRATCH = ("/run", "/dev/shm")  # noqa: S108 - the places that get a tmpfs of their own


@dataclass(frozen=True)
class Node:
    """The one node of a cluster."""

    cluster: str
    name: str
    address: str
    netns: str
    mount_namespace: Path
    criu_folder: Path

    @classmethod
    def of(cls, lab: LabDescription, *, cluster: str) -> "Node":
        access = lab.clusters[cluster]
        return cls(
            cluster=cluster,
            name=access.node,
            address=access.node_address,
            netns=access.netns,
            mount_namespace=access.mount_namespace,
            criu_folder=criu.folder_of(LabSettings().cache),
        )

    @property
    def folder(self) -> Path:
        return self.mount_namespace.parent

    @property
    def state(self) -> Path:
        return self.folder.parent.parent

    @property
    def pod_network(self) -> str:
        return _POD_NETWORKS.format(ALL_CLUSTERS.index(self.cluster) + 1)

    @property
    def cgroup(self) -> str:
        """The cgroup above all of the node's pods."""
        return f"/{self.netns}"

    @property
    def environment(self) -> dict[str, str]:
        """What programs on the node need: the lab's CRIU comes first."""
        return {"PATH": f"{self.criu_folder}:{os.environ['PATH']}"}

    def inside(self, *command: str) -> list[str]:
        """The command line that runs `command` in the node's namespaces."""
        namespaces = (f"--net=/run/netns/{self.netns}", f"--mount={self.mount_namespace}")
        return ["nsenter", *namespaces, "--", *command]

    def run(self, *command: str, timeout_seconds: float = 120) -> str:
        """Run a program on the node to its end."""
        return run(*self.inside(*command), env=self.environment, timeout_seconds=timeout_seconds)

    def start(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> Daemon:
        """Start a background process on the node; it is known by `name`, its log as well."""
        daemon = self.daemon(name)
        daemon.start(self.inside(*command), environment={**self.environment, **(env or {})})
        return daemon

    def daemon(self, name: str) -> Daemon:
        """The background process of this name, running or not: `stop`, `kill`, `log_tail`."""
        return Daemon(f"{name}-{self.cluster}", state=self.state)


def create(node: Node, *, lab: LabDescription) -> None:
    """Make the node's mount namespace and its settings; the network namespace is there already.

    What an earlier boot left on the node's disk is found again; memory and `/run` are new.
    """
    private = _private_folders(node)
    _write_settings(node, lab=lab)
    _boot_id_file(node).write_text(f"{uuid.uuid4()}\n")
    for target in private:
        target.mkdir(parents=True, exist_ok=True)
    # A namespace file can only be kept on a mount that is not shared.
    run("mount", "--bind", str(node.folder), str(node.folder))
    run("mount", "--make-private", str(node.folder))
    node.mount_namespace.touch()
    run(
        *("nsenter", f"--net=/run/netns/{node.netns}", "--"),
        *("unshare", f"--mount={node.mount_namespace}", "--propagation", "private"),
        *("sh", "-eu", "-c", _mounts(private, boot_id=_boot_id_file(node))),
    )
    _log_in(node, lab=lab)
    node.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")


def namespaces(mount_namespace: Path) -> Iterator[str]:
    """Names of a node's mount namespace and of its pods' networks, while it is there."""
    if mount_namespace.is_mount():
        yield namespace_of(mount_namespace, kind="mnt")
        yield from _pod_networks(mount_namespace)


def _pod_networks(mount_namespace: Path) -> Iterator[str]:
    """Podman keeps them in the node's own /run."""
    with suppress(CommandError):  # a node without pods has no such folder
        listed = run(
            *("nsenter", f"--mount={mount_namespace}", "--"),
            *("find", "/run/netns", "-type", "f", "-printf", "net:[%i]\n"),
        )
        yield from listed.split()


def discard(node: Node) -> None:
    """Take the node's mounts away; its disk stays. Nothing runs on it any more."""
    for place in (node.mount_namespace, node.folder):
        if place.is_mount():
            run("umount", str(place))


def _boot_id_file(node: Node) -> Path:
    """Each node boots by itself, though all share one kernel."""
    return node.folder / "boot_id"


def _private_folders(node: Node) -> dict[Path, Path]:
    """Each private place of the node, and the folder that stands in for it."""
    places = {
        Path("/var/lib/containers"): node.folder / "containers",
        Path("/etc/containers"): node.folder / "etc-containers",
        Path("/etc/criu"): node.folder / "etc-criu",
        CHECKPOINTS: node.folder / "checkpoints",
    }
    for folder in places.values():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return places


def _mounts(private: Mapping[Path, Path], *, boot_id: Path) -> str:
    places = {**private, _BOOT_ID: boot_id}
    binds = [f"mount --bind '{source}' '{target}'" for target, source in places.items()]
    scratch = [f"mount -t tmpfs -o mode=0755 tmpfs {place}" for place in _SCRATCH]
    return "\n".join([*binds, *scratch, "chmod 1777 /dev/shm", "mkdir -p /run/lock"])


def _write_settings(node: Node, *, lab: LabDescription) -> None:
    containers = node.folder / "etc-containers"
    (containers / "containers.conf").write_text(_containers_conf(node))
    (containers / "storage.conf").write_text(_STORAGE_CONF)
    (containers / "registries.conf").write_text("unqualified-search-registries = []\n")
    (containers / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
    certificates = containers / "certs.d" / lab.registry.address
    certificates.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(lab.ca_file, certificates / "ca.crt")
    (node.folder / "etc-criu" / "runc.conf").write_text(_RUNC_CONF)


def _log_in(node: Node, *, lab: LabDescription) -> None:
    """The registry's login, where Podman looks for root's: in the node's own /run."""
    login = f"{lab.registry.username}:{lab.registry.password}".encode()
    auth = {"auths": {lab.registry.address: {"auth": base64.b64encode(login).decode()}}}
    run(
        *node.inside("sh", "-c", "umask 077; mkdir -p /run/containers/0; cat > $0", _AUTH_FILE),
        stdin=json.dumps(auth),
    )


_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_AUTH_FILE = "/run/containers/0/auth.json"

_STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
"""

# Connections that clients keep open would stop a dump; restored, they are closed and the client
# connects anew. (The guide sets tcp-established as well, which contradicts tcp-close.)
_RUNC_CONF = """\
tcp-close
skip-in-flight
file-locks
"""


def _containers_conf(node: Node) -> str:
    # Limits not above the machine's hard ones, else "error setting rlimit type 7".
    return f"""\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
conmon_env_vars = ["PATH={node.criu_folder}:{_SYSTEM_PATH}"]

[network]
network_backend = "netavark"
default_subnet = "{node.pod_network}"
"""
