"""Container images built and run from this working copy, in a Podman storage of their own."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import packages
from lab.command import run

ROOT = Path(__file__).parents[3]
BASE = "localhost/base:1"
_CACHE = ROOT / ".lab-tests" / "cache"
_IN_THE_BASE = ("dash", "coreutils", "util-linux", "python3", "python3-venv", "nftables")
_CONF = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
_BUILD_SECONDS = 900
_END_SECONDS = 60


@dataclass(frozen=True)
class Podman:
    """Everything it keeps is below `folder`."""

    folder: Path

    def run(self, *arguments: str, timeout_seconds: float = 120) -> str:
        return run(*self.command, *arguments, env=self.environment, timeout_seconds=timeout_seconds)

    @property
    def command(self) -> list[str]:
        return [
            "podman",
            f"--root={self.folder / 'storage'}",
            f"--runroot={self.folder / 'run'}",
            "--storage-driver=overlay",
        ]

    @property
    def environment(self) -> dict[str, str]:
        conf = self.folder / "containers.conf"
        conf.write_text(_CONF)
        return {"CONTAINERS_CONF": str(conf)}

    def import_base(self) -> None:
        """Debian packages and nothing else, as a base image with a public name would be."""
        suite = packages.own_suite()
        assert suite is not None
        rootfs = packages.cached(_CACHE / "image-base", packages=_IN_THE_BASE, suite=suite)
        for name in ("proc", "sys", "dev", "tmp", "run"):
            (rootfs / name).mkdir(exist_ok=True)
        (rootfs / "tmp").chmod(0o1777)
        archive = self.folder / "base.tar"
        run("tar", "--create", f"--directory={rootfs}", f"--file={archive}", ".")
        self.run("import", "--quiet", str(archive), BASE)
        archive.unlink()

    def build(self, containerfile: Path, *, tag: str, wheels: Path) -> None:
        """From a folder of wheels, so that the build itself asks no network."""
        self.run(
            *("build", "--isolation=chroot", "--pull=never", f"--file={containerfile}"),
            f"--volume={wheels}:/wheels:ro",
            *("--build-arg=PIP_NO_INDEX=1", "--build-arg=PIP_FIND_LINKS=/wheels"),
            *(f"--build-arg=BASE_IMAGE={BASE}", f"--tag={tag}", str(ROOT)),
            timeout_seconds=_BUILD_SECONDS,
        )

    def inspect(self, image: str) -> Any:
        return json.loads(self.run("image", "inspect", image))[0]

    def remove_all(self) -> None:
        self.run("rm", "--all", "--force", "--time=0")
        self.run("rmi", "--all", "--force")


def download(*locks: Path, into: Path) -> Path:
    """The wheels of a lock file, each held to its hash."""
    named = [argument for lock in locks for argument in ("--requirement", str(lock))]
    into.mkdir(exist_ok=True)
    run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"),
        *("--only-binary=:all:", f"--dest={into}", *named),
        timeout_seconds=_BUILD_SECONDS,
    )
    return into


@contextlib.contextmanager
def running(podman: Podman, arguments: Sequence[str], *, log: Path) -> Iterator[None]:
    """A container in the foreground of a process of ours, until the block ends."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*podman.command, *arguments],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **podman.environment},
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_END_SECONDS)
