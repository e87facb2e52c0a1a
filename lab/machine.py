"""What the lab needs of the machine: looked at first, installed only where it suffices."""

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from lab import criu, packages
from lab.command import run
from lab.description import LabSettings
from lab.errors import CommandError, MachineError

_GIB = 1 << 30
_DISK_BYTES = 4 * _GIB
_MEMORY_BYTES = 1 * _GIB

_CAPABILITIES = {"NET_ADMIN": 12, "SYS_CHROOT": 18, "SYS_PTRACE": 19, "SYS_ADMIN": 21}
"""Bits of CapEff without which neither namespaces nor CRIU work."""

PROGRAMS = {
    "ip": "iproute2",
    "bridge": "iproute2",
    "nsenter": "util-linux",
    "podman": "podman",
    "runc": "runc",
    "conmon": "conmon",
    "catatonit": "catatonit",  # the process that holds a pod's namespaces
    "nft": "nftables",
    "iptables": "iptables",  # CRIU locks the network with it during a dump
    "docker-registry": "docker-registry",
    "redis-server": "redis-server",  # the broker between Airflow's scheduler and its workers
    "git": "git",
    "chromium": "chromium",  # the page, in a real browser
    "curl": "curl",  # the floor of the benchmarks
}
"""Each program that the lab calls, and the Debian package that has it."""

_LIBRARIES = {
    Path("/usr/lib/podman/netavark"): "netavark",
    Path("/usr/lib/postgresql/15/bin/postgres"): "postgresql-15",  # the receiver's tests
}
_POLICY = Path("/usr/sbin/policy-rc.d")
_UNITS = (
    *("docker-registry.service", "podman.socket", "podman.service"),
    *("postgresql.service", "redis-server.service"),
)
"""What these packages would start with the machine."""

Say = Callable[[str], None]


def check(settings: LabSettings) -> None:
    """Refuse a machine that cannot run the lab, naming everything that is missing at once."""
    problems = [text for look in _LOOKS for text in look(settings)]
    if problems:
        raise MachineError(
            "this machine cannot run the lab; nothing was changed",
            where=platform.node() or "here",
            found="\n  - ".join(["", *problems]),
            do="see to the points above and try again",
        )


def prepare(settings: LabSettings, *, say: Say) -> Path:
    """Check, then install what is missing; returns the folder of the fitting `criu`."""
    check(settings)
    wanted = missing_packages()
    if wanted:
        say(f"installing {' '.join(wanted)}")
        _install(wanted)
    settings.cache.mkdir(parents=True, exist_ok=True)
    return criu.install(settings.cache)


def missing_packages() -> list[str]:
    """Debian packages that are yet to be installed, sorted."""
    programs = {package for name, package in PROGRAMS.items() if shutil.which(name) is None}
    libraries = {package for path, package in _LIBRARIES.items() if not path.exists()}
    return sorted(programs | libraries)


def _install(wanted: list[str]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    lock = "--option=DPkg::Lock::Timeout=300"
    with _no_daemons():
        run("apt-get", lock, "--quiet=2", "update", timeout_seconds=600)
        run(
            *("apt-get", lock, "--quiet=2", "--yes", "--no-install-recommends", "install"),
            *wanted,
            env=quiet,
            timeout_seconds=1200,
        )
    _disable_units()


@contextlib.contextmanager
def _no_daemons() -> Iterator[None]:
    """Packages such as docker-registry start a server of their own: not here."""
    own = not _POLICY.exists()
    if own:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if own:
            _POLICY.unlink()


def _disable_units() -> None:
    """Nor after the next boot, where systemd runs the machine."""
    if Path("/run/systemd/system").is_dir():
        run("systemctl", "disable", *_UNITS)


def _system(settings: LabSettings) -> Iterator[str]:
    if platform.system() != "Linux":
        yield f"the lab needs Linux, this is {platform.system()}; use a Debian 12 machine"
    elif os.geteuid() != 0:
        yield "the lab needs root, for namespaces and CRIU; run it as root (sudo -E make demo)"
    else:
        yield from _root_can(settings)


def _root_can(settings: LabSettings) -> Iterator[str]:
    held = int(_field(Path("/proc/self/status"), name="CapEff"), 16)
    lacking = [name for name, bit in _CAPABILITIES.items() if not held >> bit & 1]
    if lacking:
        yield (
            f"root lacks the capabilities {', '.join(lacking)};"
            " use a virtual machine, or a container started with --privileged"
        )
        return
    yield from _tries(
        "mount and network namespaces", command=("unshare", "--mount", "--net", "true")
    )
    with tempfile.TemporaryDirectory(dir=_existing(settings.state)) as folder:
        for name in ("lower", "upper", "work", "all"):
            Path(folder, name).mkdir()
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        overlay = ("mount", "-t", "overlay", "-o", options, "overlay", f"{folder}/all")
        yield from _tries(
            f"an overlay file system on {settings.state.parent}",
            command=("unshare", "--mount", "--propagation", "private", *overlay),
        )


def _tries(what: str, *, command: tuple[str, ...]) -> Iterator[str]:
    try:
        run(*command)
    except CommandError as error:
        yield f"{what} cannot be made ({error.found or error.what}); use a full virtual machine"


def _room(settings: LabSettings) -> Iterator[str]:
    for place in {_existing(settings.state), _existing(settings.cache)}:
        free = shutil.disk_usage(place).free
        if free < _DISK_BYTES:
            yield f"{place} has {free / _GIB:.1f} GiB free, the lab needs {_DISK_BYTES // _GIB}"
    if platform.system() == "Linux":
        available = int(_field(Path("/proc/meminfo"), name="MemAvailable").split()[0]) * 1024
        if available < _MEMORY_BYTES:
            yield f"{available / _GIB:.1f} GiB of memory are available, the lab needs 1"


def _kernel(_: LabSettings) -> Iterator[str]:
    if platform.system() != "Linux":
        return
    if not Path("/proc/sys/kernel/ns_last_pid").exists():
        yield (
            f"kernel {platform.release()} is built without CONFIG_CHECKPOINT_RESTORE;"
            " boot a distribution's kernel"
        )
    cgroups = Path("/sys/fs/cgroup")
    if not cgroups.is_mount() or os.statvfs(cgroups).f_flag & os.ST_RDONLY:
        yield f"no writable cgroups at {cgroups}; mount them, or use a virtual machine"


def _programs(settings: LabSettings) -> Iterator[str]:
    if shutil.which("apt-get") is None:
        if wanted := missing_packages():
            yield f"not installed: {', '.join(wanted)}; install them, there is no apt-get here"
        mirror = None
    else:
        mirror = packages.mirror()
        if mirror is None and missing_packages():
            yield "no Debian mirror among the apt sources; add one and run apt-get update"
    if mirror is None and criu.own() is None and not (settings.cache / "criu").is_dir():
        oldest = ".".join(map(str, criu.OLDEST))
        yield (
            f"no CRIU {oldest} or newer for kernel {platform.release()} and no Debian mirror to"
            f" take it from; install CRIU {oldest}"
        )


_LOOKS: tuple[Callable[[LabSettings], Iterator[str]], ...] = (_system, _kernel, _programs, _room)


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)


def _field(file: Path, *, name: str) -> str:
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    raise MachineError(f"no {name}", where=str(file), do="use a Linux kernel that tells it")
