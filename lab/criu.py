"""CRIU for this kernel, without touching the machine's own packages.

Debian 12's CRIU 3.17 fails on kernels from 6.13 on and 4.1 cannot dump sockets on 6.16, so 4.2
comes from Debian testing into a prefix and runs with that suite's own libc.
"""

import re
import shutil
from pathlib import Path

from lab import packages
from lab.command import run
from lab.errors import CommandError, LabError

OLDEST = (4, 2)
_SUITE = "testing"


def version_of(program: str) -> tuple[int, ...] | None:
    """The version that a `criu` program tells; None if it does not run."""
    try:
        found = re.search(r"Version:\s*(\d+(?:\.\d+)*)", run(program, "--version"))
    except CommandError:
        return None
    return tuple(int(part) for part in found[1].split(".")) if found else None


def own() -> Path | None:
    """The machine's own CRIU, if it is new enough."""
    program = shutil.which("criu")
    if program is None or (version_of(program) or (0,)) < OLDEST:
        return None
    return Path(program)


def folder_of(cache: Path) -> Path:
    """The folder for PATH that holds the fitting `criu`: the machine's, or the one in `cache`."""
    machines = own()
    return machines.parent if machines else cache / "criu-bin"


def install(cache: Path) -> Path:
    """See to it that `folder_of` has a `criu`, and that it works on this kernel."""
    folder = folder_of(cache)
    if folder.is_relative_to(cache):
        _wrap(cache, folder=folder)
    _check(folder / "criu")
    return folder


def _wrap(cache: Path, *, folder: Path) -> None:
    prefix = packages.cached(cache / "criu", packages=["criu"], suite=_SUITE)
    folder.mkdir(exist_ok=True)
    loader = _one(prefix, pattern="usr/lib/*/ld-linux-*.so.*")
    text = (
        "#!/bin/sh\n"
        f"exec {loader} --library-path {loader.parent} {_one(prefix, pattern='usr/sbin/criu')}"
        ' "$@"\n'
    )
    wrapper = folder / "criu"
    if not wrapper.exists() or wrapper.read_text() != text:
        partial = folder / ".criu"
        partial.write_text(text)
        partial.chmod(0o755)
        partial.replace(wrapper)


def _one(prefix: Path, *, pattern: str) -> Path:
    found = sorted(prefix.glob(pattern))
    if not found:
        raise LabError(
            f"no {pattern} in it",
            where=str(prefix),
            do=f"remove {prefix} and run lab/up again: it is downloaded anew",
        )
    return found[0]


def _check(program: Path) -> None:
    try:
        run(str(program), "check")
    except CommandError as error:
        raise LabError(
            "CRIU cannot checkpoint on this kernel",
            where=f"{program} check",
            found=error.found,
            do="boot a kernel with CONFIG_CHECKPOINT_RESTORE, or give root its capabilities",
        ) from error
